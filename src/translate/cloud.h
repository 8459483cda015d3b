// Answers of the cloud as events of the engine. Pure.

#pragma once

#include "cvm/client.h"
#include "retirement/action.h"

namespace translate {

retirement::Observed ReadObserved(const retirement::Observe& asked, const std::string& credential,
                                  const cvm::DescribeOutcome& outcome);
retirement::Answered ReadAnswered(const retirement::Call& call,
                                  const cvm::TerminateOutcome& outcome);
retirement::Fault FaultOf(cvm::ErrorClass error_class);

}  // namespace translate
