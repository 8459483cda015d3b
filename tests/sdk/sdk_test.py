"""The vendor's own SDK against cvm-simulator: it must not notice that it is no cloud."""

import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

from tests.e2e.harness import SECRET_ID, SECRET_KEY, Simulator, ids, seed

HERE = pathlib.Path(__file__).resolve().parent
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache"))
PACKAGES = CACHE / "cvm-retirement-operator" / "sdk-3.1.178"


def install():
    """The pinned SDK, once, into the user's cache folder."""
    if not (PACKAGES / "tencentcloud").exists():
        subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
                        "--target", PACKAGES, "-r", HERE / "requirements.txt"], check=True)
    sys.path.insert(0, str(PACKAGES))


class SdkTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        install()
        cls.directory = tempfile.TemporaryDirectory()

    @classmethod
    def tearDownClass(cls):
        cls.directory.cleanup()

    def setUp(self):
        self.simulator = Simulator(self.directory.name, seed(
            {"prefix": "po", "count": 120, "region": "ap-guangzhou"},
            {"id": "ins-locked01", "region": "ap-guangzhou", "protected": True}))

    def tearDown(self):
        self.simulator.stop()

    def client(self, method="POST", sign="TC3-HMAC-SHA256", key=SECRET_KEY):
        from tencentcloud.common import credential
        from tencentcloud.common.profile.client_profile import ClientProfile
        from tencentcloud.common.profile.http_profile import HttpProfile
        from tencentcloud.cvm.v20170312 import cvm_client
        http = HttpProfile(protocol="http", endpoint=f"127.0.0.1:{self.simulator.port}", reqMethod=method)
        profile = ClientProfile(signMethod=sign, httpProfile=http)
        return cvm_client.CvmClient(credential.Credential(SECRET_ID, key), "ap-guangzhou", profile)

    def terminate(self, client, instances):
        from tencentcloud.cvm.v20170312 import models
        r = models.TerminateInstancesRequest()
        r.InstanceIds = instances
        return client.TerminateInstances(r)

    def describe(self, client, instances, limit=None):
        from tencentcloud.cvm.v20170312 import models
        r = models.DescribeInstancesRequest()
        r.InstanceIds, r.Limit = instances, limit
        return client.DescribeInstances(r)

    def code_of(self, call, *args):
        from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
        with self.assertRaises(TencentCloudSDKException) as caught:
            call(*args)
        return caught.exception.get_code()

    def test_terminate_and_describe_with_every_signature(self):
        for n, (method, sign) in enumerate((("POST", "TC3-HMAC-SHA256"), ("GET", "TC3-HMAC-SHA256"),
                                            ("GET", "HmacSHA1"), ("POST", "HmacSHA256"))):
            with self.subTest(f"{method} {sign}"):
                client = self.client(method, sign)
                wanted = ids("po", n + 1, n + 1)
                self.assertEqual(self.describe(client, wanted).InstanceSet[0].InstanceState, "RUNNING")
                self.assertTrue(self.terminate(client, wanted).RequestId)
                self.assertEqual(self.describe(client, wanted).InstanceSet[0].InstanceState, "TERMINATING")
        self.assertEqual(len(self.simulator.terminations()), 4)

    def test_an_api_error(self):
        client = self.client()
        self.assertEqual(self.code_of(self.terminate, client, ["ins-nosuch01"]), "InvalidInstanceId.NotFound")
        self.assertEqual(self.code_of(self.terminate, client, ["ins-locked01"]),
                         "UnsupportedOperation.InstancesProtected")
        self.assertEqual(self.code_of(self.terminate, self.client(key="wrong"), ids("po", 1, 1)),
                         "AuthFailure.SignatureFailure")

    def test_the_limit_is_twenty_unless_asked_for(self):
        client = self.client()
        answer = self.describe(client, ids("po", 1, 100))
        self.assertEqual((answer.TotalCount, len(answer.InstanceSet)), (100, 20))
        self.assertEqual(len(self.describe(client, ids("po", 1, 100), 100).InstanceSet), 100)

    def test_a_throttled_call(self):
        client = self.client()
        codes = {self.code_of(self.terminate, client, ["ins-nosuch01"]) for _ in range(40)}
        self.assertEqual(codes, {"InvalidInstanceId.NotFound", "RequestLimitExceeded"})


if __name__ == "__main__":
    unittest.main()
