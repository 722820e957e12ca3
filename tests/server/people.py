"""People with accounts, for tests: what each may do and see, and clients that are logged in as them."""

from starlette.testclient import TestClient

from pellucid.access.accounts import Account
from pellucid.access.roles import Role

PASSWORD = "a lamp on the moor"


def account(name, *roles, projects=("*",), **more):
    return Account(name=name, roles=frozenset(map(Role, roles)), projects=frozenset(projects), **more)


def add(platform, name, *roles, projects=("*",), password=PASSWORD, **more):
    made = account(name, *roles, projects=projects, **more)
    platform.keeper.accounts.add(made, password)
    platform.keeper.forget()
    return made


def bearer(platform, name):
    """Headers of a program of somebody, with all their permissions."""
    owner = platform.keeper.accounts.get(name)
    permissions = owner.caller().permissions
    return (
        {"authorization": f"Bearer {platform.keeper.sessions.begin(account=name)}"}
        if not permissions
        else {
            "authorization": "Bearer " + platform.keeper.tokens.make(owner, "test", days=1, permissions=permissions)[1]
        }
    )


def logged_in(app, platform, name, **more):
    """A client whose browser holds a session of somebody."""
    client = TestClient(app, base_url="http://localhost", raise_server_exceptions=False, **more)
    client.cookies.set("pellucid_session", platform.keeper.sessions.begin(account=name), domain="localhost.local")
    return client
