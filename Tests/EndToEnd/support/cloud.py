"""The services of a cloud from which a program gets credentials, on loopback addresses.

The engine, SeaweedFS, is the token service: for the web identities of the provider here it gives credentials of a role
with a session token, accepts these, and refuses them when they end. The endpoint of a container and the metadata service
of a machine hand such credentials on, as those of AWS do.
"""

import html
import http.client
import http.server
import json
import re
import threading
import time
import urllib.parse

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

ROLE = "arn:aws:iam::role/uploader"
AUDIENCE = "resumabled"
ROLES = "/latest/meta-data/iam/security-credentials/"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    cloud: "Cloud"

    def handle_any(self) -> None:
        cloud = self.cloud
        with cloud.lock:
            cloud.requests.append((self.command, self.path))
        match self.command, self.path:
            case "GET", "/jwks":
                self.answer(200, json.dumps(cloud.keys()))
            case _ if cloud.fails:
                self.answer(500, "<html>Trouble</html>")
            case "GET", "/container" if self.headers["Authorization"] == cloud.authorization:
                self.answer(200, json.dumps(cloud.issue()))
            case "PUT", "/latest/api/token" if self.headers["X-aws-ec2-metadata-token-ttl-seconds"]:
                self.answer(200, cloud.metadata_token)
            case "GET", _ if self.headers["X-aws-ec2-metadata-token"] != cloud.metadata_token:
                self.answer(401, "")
            case "GET", path if path == ROLES:
                self.answer(200, "uploader")
            case "GET", path if path == ROLES + "uploader":
                self.answer(200, json.dumps({"Code": "Success", "Type": "AWS-HMAC"} | cloud.issue()))
            case _:
                self.answer(404, "")

    do_GET = do_PUT = handle_any

    def answer(self, status: int, text: str) -> None:
        self.send_response_only(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_) -> None:
        pass


class Cloud:
    """`lifetime`: for how many seconds credentials are valid."""

    def __init__(self, lifetime: int):
        self.lifetime = lifetime
        # The port of the engine, which is started with `identities`.
        self.engine: int | None = None
        # The stated end of the credentials, in seconds from their beginning; None: their real one.
        self.stated: int | None = None
        # Whether the services of the container and the machine answer with 500.
        self.fails = False
        self.authorization = "the-token-of-the-container"
        self.metadata_token = "the-token-of-the-metadata-service"
        # No log may contain these.
        self.secrets = [self.authorization, self.metadata_token]
        self.issued = 0
        self.requests: list[tuple[str, str]] = []
        self.lock = threading.Lock()
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), type("Handler", (Handler,), {"cloud": self}))
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()

    def identities(self) -> dict:
        """The configuration of the engine (`-s3.iam.config`)."""
        return {
            "sts": {"tokenDuration": f"{self.lifetime}s", "maxSessionLength": "1h", "issuer": "tests",
                    "signingKey": "dGhlIHNpZ25pbmcga2V5IG9mIHRoZSB0ZXN0cyA6LSk="},
            "providers": [{"name": "cloud", "type": "oidc", "enabled": True, "config": {
                "issuer": self.url, "clientId": AUDIENCE, "jwksUri": f"{self.url}/jwks"}}],
            "policies": [{"name": "all", "document": {"Version": "2012-10-17", "Statement": [
                {"Effect": "Allow", "Action": ["s3:*"], "Resource": ["*"]}]}}],
            "roles": [{
                "roleName": "uploader", "roleArn": ROLE, "attachedPolicies": ["all"],
                "trustPolicy": {"Version": "2012-10-17", "Statement": [{
                    "Effect": "Allow", "Principal": {"Federated": "cloud"},
                    "Action": ["sts:AssumeRoleWithWebIdentity"]}]}}],
        }

    def keys(self) -> dict:
        key = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
        return {"keys": [key | {"kid": "1", "use": "sig", "alg": "RS256"}]}

    def web_identity(self, seconds: int = 60) -> str:
        """A token for the token service, as Kubernetes writes it for a service account."""
        now = int(time.time())
        token = jwt.encode(
            {"iss": self.url, "sub": "uploads", "aud": AUDIENCE, "iat": now, "exp": now + seconds}, self.key, "RS256",
            {"kid": "1"})
        with self.lock:
            self.secrets.append(token)
        return token

    def issue(self) -> dict[str, str]:
        """New credentials of the role, with the names of the services of a container and a machine."""
        form = urllib.parse.urlencode({
            "Action": "AssumeRoleWithWebIdentity", "Version": "2011-06-15", "RoleArn": ROLE, "RoleSessionName": "tests",
            "WebIdentityToken": self.web_identity()})
        connection = http.client.HTTPConnection("127.0.0.1", self.engine, timeout=30)
        try:
            connection.request("POST", "/", form, {"Content-Type": "application/x-www-form-urlencoded"})
            text = connection.getresponse().read().decode()
        finally:
            connection.close()
        found = {name: html.unescape(value) for name, value in re.findall(r"<(\w+)>([^<]*)</\1>", text)}
        end = found["Expiration"]
        if self.stated is not None:
            end = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + self.stated))
        with self.lock:
            self.issued += 1
            self.secrets += [found["SecretAccessKey"], found["SessionToken"]]
        return {"AccessKeyId": found["AccessKeyId"], "SecretAccessKey": found["SecretAccessKey"],
                "Token": found["SessionToken"], "Expiration": end}

    # --- the environment of a program there

    def container(self) -> dict[str, str]:
        return {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{self.url}/container",
                "AWS_CONTAINER_AUTHORIZATION_TOKEN": self.authorization}

    def machine(self) -> dict[str, str]:
        return {"AWS_EC2_METADATA_SERVICE_ENDPOINT": self.url}

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def __enter__(self) -> "Cloud":
        return self

    def __exit__(self, *_) -> None:
        self.close()
