"""Drives a cloud's network through openstacksdk in Terraform's order: `life_of_a_network.py apply|refuse|destroy TAG`.

`apply` makes things after what they need, `refuse` tries what must not be done meanwhile, `destroy` goes back the
other way. Each step asserts what the SDK says; the caller sends packets between the steps. Prints one line of JSON.
"""

import json
import sys

import openstack
from openstack import exceptions

WAIT_SECONDS = 120
ADDRESS = "10.91.0.20"


def named(conn, tag):
    """The things of one run, found again by name: this script is a process of its own for each step."""
    network = conn.network.find_network(f"network-{tag}", ignore_missing=False)
    return {
        "network": network,
        "subnet": conn.network.find_subnet(f"subnet-{tag}", ignore_missing=False),
        "router": conn.network.find_router(f"router-{tag}", ignore_missing=False),
        "port": conn.network.find_port(f"port-{tag}", ignore_missing=False),
        "group": conn.network.find_security_group(f"group-{tag}", ignore_missing=False),
        "floating": next(conn.network.ips(description=f"floating-{tag}")),
        "server": conn.compute.find_server(f"server-{tag}", ignore_missing=False),
    }


def apply(conn, tag):
    net = conn.network
    external = net.find_network("public", ignore_missing=False)
    group = net.create_security_group(name=f"group-{tag}", description="applied")
    for low, high in ((22, 22), (80, 80)):
        net.create_security_group_rule(
            security_group_id=group.id, direction="ingress", ether_type="IPv4", protocol="tcp",
            port_range_min=low, port_range_max=high, remote_ip_prefix="0.0.0.0/0",
        )
    network = net.create_network(name=f"network-{tag}", is_admin_state_up=True)
    subnet = net.create_subnet(
        network_id=network.id, name=f"subnet-{tag}", ip_version=4, cidr="10.91.0.0/24",
        allocation_pools=[{"start": "10.91.0.10", "end": "10.91.0.99"}], dns_nameservers=["192.0.2.53"],
    )
    router = net.create_router(name=f"router-{tag}", external_gateway_info={"network_id": external.id})
    interface = net.add_interface_to_router(router, subnet_id=subnet.id)
    assert interface["subnet_id"] == subnet.id, interface
    port = net.create_port(
        name=f"port-{tag}", network_id=network.id, security_group_ids=[group.id],
        fixed_ips=[{"subnet_id": subnet.id, "ip_address": ADDRESS}],
    )
    floating = net.create_ip(floating_network_id=external.id, description=f"floating-{tag}")
    server = conn.compute.create_server(
        name=f"server-{tag}", image_id=conn.image.find_image("busybox", ignore_missing=False).id,
        flavor_id=conn.compute.find_flavor("m1.nano", ignore_missing=False).id, networks=[{"port": port.id}],
    )
    conn.compute.wait_for_server(conn.compute.get_server(server.id), interval=0.5, wait=WAIT_SECONDS)
    net.update_ip(floating, port_id=port.id)
    return {"server": server.name, "floating": floating.floating_ip_address, "ids": [network.id, router.id]}


def refused(kind, status, work):
    """The cloud says no with this status and Neutron's own name for the reason."""
    try:
        work()
    except exceptions.HttpException as error:
        told = error.response.json()["NeutronError"]["type"]
        assert (error.status_code, told) == (status, kind), (error.status_code, told, kind)
        return
    raise AssertionError(f"{kind} was not refused")


def with_revision(conn, path, body, revision):
    """An update that holds for one revision only; the SDK itself sends no such header."""
    headers = {"If-Match": f"revision_number={revision}"}
    return conn.network.put(path, json=body, headers=headers)


def refuse(conn, tag):
    net, own = conn.network, named(conn, tag)
    network, subnet, router, port = own["network"], own["subnet"], own["router"], own["port"]
    refused("NetworkInUse", 409, lambda: net.delete_network(network, ignore_missing=False))
    refused("SubnetInUse", 409, lambda: net.delete_subnet(subnet, ignore_missing=False))
    refused("RouterInUse", 409, lambda: net.delete_router(router, ignore_missing=False))
    refused("SecurityGroupInUse", 409, lambda: net.delete_security_group(own["group"], ignore_missing=False))
    refused(
        "RouterInterfaceInUseByFloatingIP", 409,
        lambda: net.remove_interface_from_router(router, subnet_id=subnet.id),
    )
    refused("ExternalGatewayForFloatingIPNotFound", 404, lambda: elsewhere(conn, tag, own["floating"]))
    again = {"network_id": network.id, "name": "nope"}
    fixed = [{"subnet_id": subnet.id, "ip_address": ADDRESS}]
    refused("IpAddressAlreadyAllocated", 409, lambda: net.create_port(**again, fixed_ips=fixed))
    refused("MacAddressInUse", 409, lambda: net.create_port(**again, mac_address=port.mac_address))
    refused("InvalidInput", 400, lambda: net.create_subnet(**again, ip_version=4, cidr="10.91.0.128/25"))
    outside = [{"subnet_id": subnet.id, "ip_address": "10.92.0.1"}]
    refused("InvalidIpForSubnet", 400, lambda: net.create_port(**again, fixed_ips=outside))
    revisions(conn, network)
    leftover = [one.name for one in net.ports(network_id=network.id) if one.name == "nope"]
    assert not leftover, leftover
    return {}


def elsewhere(conn, tag, floating):
    """A port on a network that no router joins to the outside."""
    net = conn.network
    island = net.create_network(name=f"island-{tag}")
    try:
        net.create_subnet(network_id=island.id, name=f"island-{tag}", ip_version=4, cidr="10.93.0.0/24")
        port = net.create_port(network_id=island.id)
        try:
            net.update_ip(floating, port_id=port.id)
        finally:
            net.delete_port(port)
    finally:
        net.delete_network(island)


def revisions(conn, network):
    path, body = f"/networks/{network.id}", {"network": {"description": "by revision"}}
    stale = with_revision(conn, path, body, network.revision_number + 7)
    told = stale.json()["NeutronError"]["type"]
    assert (stale.status_code, told) == (412, "RevisionNumberConstraintFailed"), stale.text
    fresh = with_revision(conn, path, body, conn.network.get_network(network.id).revision_number)
    assert fresh.status_code == 200, fresh.text
    shown = fresh.json()["network"]
    assert shown["description"] == "by revision", shown
    assert shown["revision_number"] > network.revision_number, shown


def destroy(conn, tag):
    net, own = conn.network, named(conn, tag)
    net.update_ip(own["floating"], port_id=None)
    conn.compute.delete_server(own["server"])
    conn.compute.wait_for_delete(own["server"], interval=0.5, wait=WAIT_SECONDS)
    net.delete_ip(own["floating"], ignore_missing=False)
    assert net.get_port(own["port"].id).device_id == "", "the port outlives the server that borrowed it"
    net.delete_port(own["port"], ignore_missing=False)
    net.remove_interface_from_router(own["router"], subnet_id=own["subnet"].id)
    net.delete_router(own["router"], ignore_missing=False)
    net.delete_subnet(own["subnet"], ignore_missing=False)
    net.delete_network(own["network"], ignore_missing=False)
    net.delete_security_group(own["group"], ignore_missing=False)
    gone = [
        net.find_network(f"network-{tag}"), net.find_router(f"router-{tag}"), net.find_subnet(f"subnet-{tag}"),
        net.find_security_group(f"group-{tag}"), net.find_port(f"port-{tag}"),
    ]
    assert gone == [None] * len(gone), gone
    return {}


if __name__ == "__main__":
    step, tag = sys.argv[1:3]
    print(json.dumps({"apply": apply, "refuse": refuse, "destroy": destroy}[step](openstack.connect(), tag)))
