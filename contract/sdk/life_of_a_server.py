"""Drives a cloud through openstacksdk: `life_of_a_server.py create|change|delete TAG IMAGE_FILE`.

Each step asserts what the SDK says; the caller looks into Docker between the steps. Prints one line of JSON.
"""

import json
import sys

import openstack

ADDRESS = "10.72.0.50"
WAIT_SECONDS = 60


def create(conn, tag, image_file):
    image = conn.create_image(
        f"image-{tag}", filename=image_file, container_format="docker", disk_format="raw", wait=True,
        timeout=WAIT_SECONDS,
    )
    assert image.status == "active", image
    network = conn.network.create_network(name=f"network-{tag}")
    subnet = conn.network.create_subnet(
        network_id=network.id, name=f"subnet-{tag}", ip_version=4, cidr="10.72.0.0/24"
    )
    port = conn.network.create_port(
        network_id=network.id, name=f"port-{tag}", fixed_ips=[{"subnet_id": subnet.id, "ip_address": ADDRESS}]
    )
    assert [ip["ip_address"] for ip in port.fixed_ips] == [ADDRESS], port
    keypair = conn.compute.create_keypair(name=f"key-{tag}")
    assert "PRIVATE KEY" in keypair.private_key
    flavor = conn.compute.find_flavor("m1.nano", ignore_missing=False)
    server = conn.compute.create_server(
        name=f"sdk-{tag}", image_id=image.id, flavor_id=flavor.id, networks=[{"port": port.id}],
        key_name=keypair.name, metadata={"purpose": "contract"}, tags=["sdk"],
    )
    server = wait(conn, server, "ACTIVE")
    assert server.metadata == {"purpose": "contract"}, server.metadata
    assert [one.name for one in conn.compute.servers(name=f"sdk-{tag}")] == [f"sdk-{tag}"]
    return {"server": server.name, "address": ADDRESS, "ramMiB": flavor.ram}


def wait(conn, server, status):
    """Asks anew first: the SDK believes the status that it saw last."""
    server = conn.compute.get_server(server.id)
    return conn.compute.wait_for_server(server, status=status, interval=0.5, wait=WAIT_SECONDS)


def change(conn, tag, _):
    compute = conn.compute
    server = compute.find_server(f"sdk-{tag}", ignore_missing=False)
    compute.stop_server(server)
    wait(conn, server, "SHUTOFF")
    compute.start_server(server)
    wait(conn, server, "ACTIVE")
    compute.pause_server(server)
    wait(conn, server, "PAUSED")
    compute.unpause_server(server)
    wait(conn, server, "ACTIVE")
    compute.suspend_server(server)
    wait(conn, server, "SUSPENDED")
    compute.resume_server(server)
    wait(conn, server, "ACTIVE")
    compute.reboot_server(server, "HARD")
    wait(conn, server, "ACTIVE")
    renamed = compute.update_server(server, name=f"sdk-{tag}-renamed")
    assert renamed.name == f"sdk-{tag}-renamed"
    compute.update_server(server, name=f"sdk-{tag}")
    assert "is up" in compute.get_server_console_output(server)["output"]
    snapshot = compute.create_server_image(server, f"snapshot-{tag}", wait=True, timeout=WAIT_SECONDS)
    assert conn.image.get_image(snapshot.id).status == "active"
    # compute.server_actions() of openstacksdk 0.101 refuses its own query; the session asks for the same.
    replied = compute.get(f"/servers/{server.id}/os-instance-actions").json()
    actions = {action["action"] for action in replied["instanceActions"]}
    assert {"create", "stop", "start", "pause", "unpause", "reboot"} <= actions, actions
    return {"actions": sorted(actions)}


def delete(conn, tag, _):
    server = conn.compute.find_server(f"sdk-{tag}", ignore_missing=False)
    conn.compute.delete_server(server)
    conn.compute.wait_for_delete(server, interval=0.5, wait=WAIT_SECONDS)
    for name in (f"snapshot-{tag}", f"image-{tag}"):
        conn.image.delete_image(conn.image.find_image(name, ignore_missing=False))
    network = conn.network.find_network(f"network-{tag}", ignore_missing=False)
    for port in conn.network.ports(network_id=network.id):
        conn.network.delete_port(port)
    conn.network.delete_network(network)
    conn.compute.delete_keypair(f"key-{tag}")
    assert conn.network.find_network(f"network-{tag}") is None
    return {}


if __name__ == "__main__":
    step, tag, image_file = sys.argv[1:4]
    steps = {"create": create, "change": change, "delete": delete}
    print(json.dumps(steps[step](openstack.connect(), tag, image_file)))
