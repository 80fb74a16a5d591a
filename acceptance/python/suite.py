"""The Python SDKs against a running server: what `logkeep env` exports is their
only configuration. Prints one line a step; the first failure ends it."""

import base64
import datetime
import email.utils
import hashlib
import hmac
import json
import os
import ssl
import time
import urllib.error
import urllib.request
import uuid

from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.identity import ClientSecretCredential
from azure.keyvault.keys import ApiVersion, KeyClient, KeyRotationLifetimeAction, KeyRotationPolicy, KeyRotationPolicyAction
from azure.keyvault.keys.crypto import CryptographyClient, EncryptionAlgorithm, KeyWrapAlgorithm, SignatureAlgorithm
from azure.kusto.data import ClientRequestProperties, KustoClient, KustoConnectionStringBuilder
from azure.kusto.data.exceptions import KustoApiError, KustoServiceError
from azure.kusto.data.kusto_trusted_endpoints import MatchRule, well_known_kusto_endpoints
from azure.monitor.ingestion import LogsIngestionClient
from azure.monitor.query import LogsBatchQuery, LogsQueryClient, LogsQueryStatus

env = os.environ
arm = env["LOGKEEP_ARM"]
scope = f"/subscriptions/{env['AZURE_SUBSCRIPTION_ID']}/resourceGroups/python"
credential = ClientSecretCredential(
    env["AZURE_TENANT_ID"], env["AZURE_CLIENT_ID"], env["AZURE_CLIENT_SECRET"],
    authority=env["AZURE_AUTHORITY_HOST"], disable_instance_discovery=True)
trust = ssl.create_default_context(cafile=env["REQUESTS_CA_BUNDLE"])
keep = {}


def rest(method, path, body=None):
    """The resource manager, which these SDKs do not speak to."""
    token = credential.get_token(arm + "/.default").token
    request = urllib.request.Request(arm + path, method=method, data=body and json.dumps(body).encode(), headers={
        "Authorization": "Bearer " + token, "Content-Type": "application/json"})
    opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=trust), urllib.request.ProxyHandler({}))
    with opener.open(request) as answer:
        return answer.status, json.loads(answer.read() or b"null"), answer.headers


def grant(role, principal, at):
    quoted = urllib.request.quote(f"roleName eq '{role}'")
    definition = rest("GET", f"{at}/providers/Microsoft.Authorization/roleDefinitions?api-version=2022-04-01&$filter={quoted}")[1]["value"][0]
    rest("PUT", f"{at}/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}?api-version=2022-04-01", {"properties": {
        "roleDefinitionId": definition["id"], "principalId": principal, "principalType": "ServicePrincipal"}})


def fails(call, status, code=None):
    try:
        call()
    except HttpResponseError as e:
        assert e.status_code == status, f"status {e.status_code}, want {status}: {e}"
        assert code is None or e.error is not None and code in (e.error.code, (e.error.innererror or {}).get("code")), f"{e.error}, want {code}"
        return e
    raise AssertionError(f"nothing failed; want {status} {code}")


def soon(check, seconds=30):
    end = time.monotonic() + seconds
    while True:
        try:
            return check()
        except HttpResponseError:
            if time.monotonic() > end:
                raise
            time.sleep(0.25)


def fails_soon(call, status, seconds=5):
    """A key that is disabled is felt within a second, not within the call that disables it."""
    end = time.monotonic() + seconds
    while True:
        try:
            return fails(call, status)
        except AssertionError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


def sign_in():
    token = credential.get_token("https://management.azure.com/.default").token
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    assert claims["tid"] == env["AZURE_TENANT_ID"]
    keep["me"] = claims["oid"]
    by_adfs = ClientSecretCredential("adfs", env["AZURE_CLIENT_ID"], env["AZURE_CLIENT_SECRET"], authority=arm)
    assert by_adfs.get_token(arm + "/.default").token
    rest("PUT", scope + "?api-version=2021-04-01", {"location": "westeurope"})
    vault = rest("PUT", scope + "/providers/Microsoft.KeyVault/vaults/kv-python?api-version=2023-07-01", {"location": "westeurope", "properties": {
        "tenantId": env["AZURE_TENANT_ID"], "sku": {"family": "A", "name": "standard"}, "enablePurgeProtection": True, "enableRbacAuthorization": True}})[1]
    grant("Key Vault Crypto Officer", keep["me"], vault["id"])
    keep["vault"] = vault


def keys():
    for version in (ApiVersion.V7_4, None):  # an older wire version, and the newest that the SDK has
        options = {} if version is None else {"api_version": version}
        client = KeyClient(keep["vault"]["properties"]["vaultUri"], credential, **options)
        name = "kek" if version is None else "older"
        fails(lambda: client.get_key("nothing"), 404, "KeyNotFound")
        key = client.create_rsa_key(name, size=2048, tags={"purpose": "logs"})
        assert key.properties.enabled and key.properties.tags == {"purpose": "logs"} and len(key.properties.version) == 32
        assert client.get_key(name, key.properties.version).id == key.id
        secret = os.urandom(32)
        for of in (key, key.id):
            crypto = CryptographyClient(of, credential, **options)
            for algorithm in (KeyWrapAlgorithm.rsa_oaep, KeyWrapAlgorithm.rsa_oaep_256):
                wrapped = crypto.wrap_key(algorithm, secret)
                assert crypto.unwrap_key(algorithm, wrapped.encrypted_key).key == secret
            sealed = crypto.encrypt(EncryptionAlgorithm.rsa_oaep_256, secret)
            assert crypto.decrypt(sealed.algorithm, sealed.ciphertext).plaintext == secret
            signed = crypto.sign(SignatureAlgorithm.ps256, os.urandom(32) if of is None else b"\1" * 32)
            assert crypto.verify(SignatureAlgorithm.ps256, b"\1" * 32, signed.signature).is_valid
        client.update_key_properties(name, enabled=False)
        fails(lambda: CryptographyClient(key.id, credential, **options).unwrap_key(KeyWrapAlgorithm.rsa_oaep_256, wrapped.encrypted_key), 403, "KeyDisabled")
        client.update_key_properties(name, enabled=True)
        policy = client.update_key_rotation_policy(name, KeyRotationPolicy(expires_in="P2Y", lifetime_actions=[
            KeyRotationLifetimeAction(KeyRotationPolicyAction.rotate, time_after_create="P90D")]))
        assert policy.expires_in == "P2Y" and client.get_key_rotation_policy(name).expires_in == "P2Y"
        assert client.rotate_key(name).id != key.id
        assert len(list(client.list_properties_of_key_versions(name))) == 2
        deleted = client.begin_delete_key(name).result()
        assert deleted.recovery_id and [k.name for k in client.list_deleted_keys()] == [name]
        fails(lambda: client.create_rsa_key(name), 409)
        fails(lambda: client.purge_deleted_key(name), 403)
        assert client.begin_recover_deleted_key(name).result().name == name
        keep["keys"] = client
    assert sorted(k.name for k in client.list_properties_of_keys()) == ["kek", "older"]


def control():
    """A cluster with the key, a linked workspace, a table, a rule: the REST calls of the documents."""
    def wait(method, path, body=None):
        status, answer, headers = rest(method, path, body)
        while status == 202 or headers.get("Azure-AsyncOperation"):
            state = rest("GET", headers["Azure-AsyncOperation"].removeprefix(arm))[1]["status"]
            assert state in ("InProgress", "Succeeded"), state
            if state == "Succeeded":
                return rest("GET", path)[1]
            time.sleep(0.1)
        return answer
    insights = scope + "/providers/Microsoft.OperationalInsights"
    cluster = wait("PUT", insights + "/clusters/python-cluster?api-version=2023-09-01", {
        "location": "westeurope", "identity": {"type": "SystemAssigned"}, "sku": {"name": "CapacityReservation", "capacity": 100}})
    grant("Key Vault Crypto Service Encryption User", cluster["identity"]["principalId"], keep["vault"]["id"])
    cluster = wait("PATCH", insights + "/clusters/python-cluster?api-version=2023-09-01", {"properties": {"keyVaultProperties": {
        "keyVaultUri": keep["vault"]["properties"]["vaultUri"], "keyName": "kek", "keyVersion": ""}}})
    assert cluster["properties"]["keyVaultProperties"]["keyName"] == "kek"
    workspace = wait("PUT", insights + "/workspaces/python-workspace?api-version=2023-09-01", {"location": "westeurope"})
    wait("PUT", insights + "/workspaces/python-workspace/linkedServices/cluster?api-version=2020-08-01", {"properties": {"writeAccessResourceId": cluster["id"]}})
    columns = [{"name": "TimeGenerated", "type": "datetime"}, {"name": "Message", "type": "string"}, {"name": "Size", "type": "long"}, {"name": "Bag", "type": "dynamic"}]
    wait("PUT", insights + "/workspaces/python-workspace/tables/Python_CL?api-version=2022-10-01", {"properties": {"schema": {"name": "Python_CL", "columns": columns}}})
    base = scope + "/providers/Microsoft.Insights"
    endpoint = rest("PUT", base + "/dataCollectionEndpoints/python-dce?api-version=2023-03-11", {"location": "westeurope", "properties": {}})[1]
    rule = rest("PUT", base + "/dataCollectionRules/python-dcr?api-version=2023-03-11", {"location": "westeurope", "properties": {
        "dataCollectionEndpointId": endpoint["id"], "streamDeclarations": {"Custom-Python_CL": {"columns": columns}},
        "destinations": {"logAnalytics": [{"name": "ws", "workspaceResourceId": workspace["id"]}]},
        "dataFlows": [{"streams": ["Custom-Python_CL"], "destinations": ["ws"], "transformKql": "source", "outputStream": "Custom-Python_CL"}]}})[1]
    keep.update(workspace=workspace, rule=rule, endpoint=endpoint["properties"]["logsIngestion"]["endpoint"])


def lines(n):
    now = datetime.datetime.now(datetime.timezone.utc).isoformat()
    return [{"TimeGenerated": now, "Message": f"line {i} of python " + "x" * 200, "Size": i, "Bag": {"n": i % 7}} for i in range(n)]


def rows():
    client = LogsIngestionClient(keep["endpoint"], credential)
    rule = keep["rule"]["properties"]["immutableId"]
    fails(lambda: client.upload(rule, "Custom-Python_CL", lines(1)), 403)
    grant("Monitoring Metrics Publisher", keep["me"], keep["rule"]["id"])
    client.upload(rule, "Custom-Python_CL", lines(9000))  # several chunks
    failed = []
    client.upload(rule, "Custom-Nowhere", lines(2), on_error=failed.append)
    assert len(failed) == 1 and len(failed[0].failed_logs) == 2

    query = LogsQueryClient(credential, endpoint=env["LOGKEEP_QUERY"])
    workspace = keep["workspace"]["properties"]["customerId"]
    day = datetime.timedelta(days=1)

    def count():
        return query.query_workspace(workspace, "Python_CL | count", timespan=day).tables[0].rows[0][0]
    assert count() == 9000
    answer = query.query_workspace(
        workspace, "Python_CL | where Size >= 4500 | summarize Rows = count(), Last = max(TimeGenerated) by Kind = tostring(Bag.n) | sort by Kind asc",
        timespan=day, include_statistics=True, include_visualization=True, server_timeout=60)
    assert answer.status == LogsQueryStatus.SUCCESS
    assert answer.tables[0].columns == ["Kind", "Rows", "Last"] and len(answer.tables[0].rows) == 7
    assert answer.tables[0].columns_types == ["string", "long", "datetime"]
    assert isinstance(answer.tables[0].rows[0]["Last"], datetime.datetime)
    for span in (None, (datetime.datetime.now(datetime.timezone.utc) - day, day * 2)):
        assert query.query_workspace(workspace, "Python_CL | count", timespan=span).tables[0].rows[0][0] == 9000
    fails(lambda: query.query_workspace(workspace, "Python_CL | where Nope == 1", timespan=day), 400, "BadArgumentError")
    batch = query.query_batch([LogsBatchQuery(workspace_id=workspace, query=text, timespan=day) for text in ("Python_CL | count", "Python_CL | where", "print x = 1")])
    assert [b.status for b in batch] == [LogsQueryStatus.SUCCESS, LogsQueryStatus.FAILURE, LogsQueryStatus.SUCCESS], batch
    assert query.query_resource(keep["workspace"]["id"], "Python_CL | count", timespan=day).tables[0].rows[0][0] == 9000

    keys = keep["keys"]
    for version in keys.list_properties_of_key_versions("kek"):
        keys.update_key_properties("kek", version.version, enabled=False)
    denied = fails_soon(count, 403)
    assert "CustomerManagedKeyRevoked" in str(denied.response.text()), denied.response.text()
    quick = LogsIngestionClient(keep["endpoint"], credential, retry_total=0)
    fails(lambda: quick.upload(rule, "Custom-Python_CL", lines(1)), 503)
    for version in keys.list_properties_of_key_versions("kek"):
        keys.update_key_properties("kek", version.version, enabled=True)
    assert soon(count) == 9000
    client.upload(rule, "Custom-Python_CL", lines(3))
    assert count() == 9003


def kusto():
    """The Kusto protocol, as the client of Azure Data Explorer speaks it."""
    domain = env["LOGKEEP_KEYVAULT_SUFFIX"].removeprefix(".vault")
    well_known_kusto_endpoints.add_trusted_hosts([MatchRule(".kusto" + domain.split(":")[0], False)], False)
    customer = keep["workspace"]["properties"]["customerId"]
    secret = (env["AZURE_CLIENT_ID"], env["AZURE_CLIENT_SECRET"], env["AZURE_TENANT_ID"])
    own = KustoClient(KustoConnectionStringBuilder.with_aad_application_key_authentication(f"https://{customer}.kusto{domain}", *secret))
    every = KustoClient(KustoConnectionStringBuilder.with_azure_token_credential(f"https://api.kusto{domain}", credential))
    for client, database in ((own, ""), (own, "python-workspace"), (every, "python-workspace"), (every, customer)):
        answer = client.execute(database, "Python_CL | where Size < 3 | project TimeGenerated, Size, Bag, Took = 90m, Real = 1.5, Yes = true | sort by Size asc")
        table = answer.primary_results[0]
        assert [c.column_name for c in table.columns] == ["TimeGenerated", "Size", "Bag", "Took", "Real", "Yes"], table.columns
        assert [c.column_type for c in table.columns] == ["datetime", "long", "dynamic", "timespan", "real", "bool"], table.columns
        rows = [row.to_dict() for row in table]
        assert {row["Size"] for row in rows} == {0, 1, 2}
        one = rows[0]
        assert isinstance(one["TimeGenerated"], datetime.datetime) and one["Took"] == datetime.timedelta(minutes=90) and one["Yes"] is True
        assert one["Bag"] == {"n": 0}, one
        assert answer.errors_count == 0 and answer.get_exceptions() == []
    one = every.execute_query("python-workspace", "print a = dynamic([1]) | render timechart with (title = 'x')")
    assert json.loads([t for t in one.tables if t.table_name == "@ExtendedProperties"][0][0]["Value"])["Title"] == "x"
    several = own.execute(None, "print a = 1; print b = 2")
    assert [t[0][0] for t in several.primary_results] == [1, 2], several.primary_results
    with_parameters = ClientRequestProperties()
    for name, value in (("n", 3), ("s", "it's | take 0"), ("d", "datetime(2026-01-02)"), ("b", "dynamic([1,2])")):
        with_parameters.set_parameter(name, value)
    with_parameters.set_option("servertimeout", datetime.timedelta(minutes=2))
    text = "declare query_parameters(n:long, s:string, d:datetime, b:dynamic, other:long = 7); print n, s, d, b[1], other"
    row = own.execute("", text, with_parameters).primary_results[0][0]
    assert [row[0], row[1], row[3], row[4]] == [3, "it's | take 0", 2, 7] and row[2].year == 2026, list(row)

    streamed = own.execute_streaming_query("", "Python_CL | summarize count()")
    assert [row[0] for table in streamed.iter_primary_results() for row in table][0] >= 9000
    names = {row["DatabaseName"]: row["DatabaseId"] for row in every.execute_mgmt("", ".show databases").primary_results[0]}
    assert names == {"python-workspace": customer}, names
    assert [row["TableName"] for row in own.execute_mgmt("", ".show tables").primary_results[0] if row["TableName"].endswith("_CL")] == ["Python_CL"]
    schema = json.loads(every.execute_mgmt("python-workspace", ".show database schema as json").primary_results[0][0]["DatabaseSchema"])
    columns = schema["Databases"]["python-workspace"]["Tables"]["Python_CL"]["OrderedColumns"]
    assert {"Size": "long", "Bag": "dynamic"}.items() <= {c["Name"]: c["CslType"] for c in columns}.items(), columns
    assert "Size:long" in own.execute_mgmt("", ".show table Python_CL cslschema").primary_results[0][0]["Schema"]
    assert own.execute_mgmt("", ".show version").primary_results[0][0]["ProductVersion"] == "Logkeep"

    def refused(call, *words):
        try:
            call()
        except KustoServiceError as e:
            assert all(w in str(e) for w in words), e
            return e
        raise AssertionError(f"nothing failed; want {words}")
    assert isinstance(refused(lambda: own.execute("", "Python_CL | where Nope == 1"), "SEM0100", "Nope", "[line:position=1:18]"), KustoApiError)
    refused(lambda: own.execute("", "Python_CL | where"), "Syntax error", "SYN0002")
    refused(lambda: own.execute("elsewhere", "print 1"), "elsewhere", "was not found")
    refused(lambda: every.execute("elsewhere", "print 1"), "elsewhere", "was not found")
    refused(lambda: own.execute_mgmt("", ".drop table Python_CL"), "not supported")


def collector():
    """The sample of the HTTP Data Collector API, with its shared key."""
    workspace = keep["workspace"]["id"]
    shared = rest("POST", workspace + "/sharedKeys?api-version=2020-08-01")[1]
    customer = keep["workspace"]["properties"]["customerId"]
    domain = env["LOGKEEP_KEYVAULT_SUFFIX"].removeprefix(".vault")
    opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=trust))

    def post(records, log_type, key=None, version="?api-version=2016-04-01", **headers):
        body = records if isinstance(records, bytes) else json.dumps(records).encode()
        date = email.utils.formatdate(usegmt=True)
        text = f"POST\n{len(body)}\napplication/json\nx-ms-date:{date}\n/api/logs"
        signature = base64.b64encode(hmac.new(base64.b64decode(key or shared["primarySharedKey"]), text.encode(), hashlib.sha256).digest()).decode()
        request = urllib.request.Request(f"https://{customer}.ods{domain}/api/logs{version}", method="POST", data=body, headers={
            "Content-Type": "application/json", "Authorization": f"SharedKey {customer}:{signature}", "Log-Type": log_type, "x-ms-date": date} | headers)
        try:
            with opener.open(request) as answer:
                return answer.status, None
        except urllib.error.HTTPError as e:
            return e.code, json.loads(e.read())["Error"]
    query = LogsQueryClient(credential, endpoint=env["LOGKEEP_QUERY"])

    def ask(text):
        return [list(row) for row in query.query_workspace(customer, text, timespan=datetime.timedelta(days=1)).tables[0].rows]
    slot = "12345678-1234-1234-1234-1234567890ab"
    records = [{"slot_ID": 12345, "ID": slot, "availability_Value": 100, "performance_Value": 6.954, "measurement_Name": "last_one_hour",
                "duration": 3600, "warning_Threshold": 0, "IsActive": True, "At": "2026-11-21T09:00:00Z"}]
    assert post(records, "WebMonitorTest") == (200, None)
    assert post(records[0], "WebMonitorTest", key=shared["secondarySharedKey"]) == (200, None)
    assert ask("WebMonitorTest_CL | project slot_ID_d, ID_g, performance_Value_d, measurement_Name_s, IsActive_b, At_t | take 1")[0][:5] == [12345.0, slot, 6.954, "last_one_hour", True]
    assert post([{"slot_ID": "7", "Another": "x"}], "WebMonitorTest", **{"x-ms-AzureResourceId": workspace}) == (200, None)
    assert ask("WebMonitorTest_CL | where Another_s == 'x' | project slot_ID_d, _ResourceId") == [[7.0, workspace]]
    assert ask("WebMonitorTest_CL | count") == [[3]]
    assert post([{"n": i, "text": "x" * 1000} for i in range(5000)], "Bigger") == (200, None)  # beyond what one ingestion request takes
    assert ask("Bigger_CL | summarize count(), max(n_d)") == [[5000, 4999.0]]

    for want, answer in [
        ((403, "InvalidAuthorization"), post(records, "X", key=base64.b64encode(b"k" * 64).decode())),
        ((403, "InvalidAuthorization"), post(records, "X", **{"Authorization": "Bearer x"})),
        ((403, "InvalidAuthorization"), post(records, "X", **{"x-ms-date": "Sat, 01 Jan 2000 00:00:00 GMT"})),
        ((400, "InvalidDataFormat"), post(b"[1]", "X")),
        ((400, "InvalidLogType"), post(records, "X-Y")),
        ((400, "MissingLogType"), post(records, "")),
        ((400, "UnsupportedContentType"), post(records, "X", **{"Content-Type": "text/plain"})),
        ((400, "MissingApiVersion"), post(records, "X", version="")),
        ((400, "InvalidApiVersion"), post(records, "X", version="?api-version=2020-01-01")),
    ]:
        assert answer == want, (answer, want)
    regenerated = rest("POST", workspace + "/regenerateSharedKey?api-version=2020-08-01")[1]
    assert post(records, "WebMonitorTest") == (403, "InvalidAuthorization")
    shared = regenerated
    assert post(records, "WebMonitorTest") == (200, None)
    rest("PATCH", workspace + "?api-version=2023-09-01", {"properties": {"features": {"disableLocalAuth": True}}})
    assert post(records, "WebMonitorTest") == (403, "InvalidAuthorization")
    rest("PATCH", workspace + "?api-version=2023-09-01", {"properties": {"features": {"disableLocalAuth": False}}})

    for v in keep["keys"].list_properties_of_key_versions("kek"):
        keep["keys"].update_key_properties("kek", v.version, enabled=False)
    end = time.monotonic() + 5
    while (answer := post(records, "WebMonitorTest")) == (200, None) and time.monotonic() < end:
        time.sleep(0.05)
    assert answer == (503, "CustomerManagedKeyRevoked"), answer


for step in (sign_in, keys, control, rows, kusto, collector):
    start = time.monotonic()
    step()
    print(f"ok {step.__name__.replace('_', ' ')} ({time.monotonic() - start:.1f}s)", flush=True)
