"""Drives identity through openstacksdk as the administrator: `identity.py TAG`. Asserts; prints one line of JSON."""

import json
import sys

import openstack
from openstack import exceptions


def main(tag):
    conn = openstack.connect()
    identity = conn.identity
    parent = identity.create_project(name=f"parent-{tag}")
    child = identity.create_project(name=f"child-{tag}", parent_id=parent.id)
    assert child.parent_id == parent.id
    user = identity.create_user(name=f"user-{tag}", password="Harbour-7", default_project_id=child.id)
    role = identity.find_role("member", ignore_missing=False)
    identity.assign_project_role_to_user(child, user, role)
    granted = {one.role["id"] for one in identity.role_assignments(user_id=user.id)}
    assert granted == {role.id}, granted
    group = identity.create_group(name=f"group-{tag}")
    assert identity.find_group(f"group-{tag}").id == group.id

    other = openstack.connect(
        auth_url=conn.config.get_auth_args()["auth_url"], username=user.name, password="Harbour-7",
        project_name=child.name, user_domain_name="Default", project_domain_name="Default", cloud=None,
        region_name=conn.config.get_region_name(), load_yaml_config=False, load_envvars=False,
    )
    assert other.current_project_id == child.id
    credential = other.identity.create_application_credential(user.id, name=f"credential-{tag}")
    assert credential.secret
    other.identity.delete_application_credential(user.id, credential)
    refused = False
    try:
        other.identity.create_project(name=f"forbidden-{tag}")
    except exceptions.HttpException as error:
        refused = error.status_code == 403
    assert refused, "a member may not create projects"

    for forget, thing in (
        (identity.delete_group, group), (identity.delete_user, user), (identity.delete_project, child),
        (identity.delete_project, parent),
    ):
        forget(thing)
    return {"region": conn.config.get_region_name()}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1])))
