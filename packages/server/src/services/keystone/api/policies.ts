/** Keystone's policy rules under upstream's names, with the personas of system, domain and project since 2023.1. */
import type { PolicyRule } from '#platform/api-kit/service.ts'

type Scopes = NonNullable<PolicyRule['scopes']>

const everywhere: Scopes = ['system', 'domain', 'project']
const systemOrProject: Scopes = ['system', 'project']

const admin = 'rule:admin_required'
const systemReader = '(role:reader and system_scope:all)'
const adminOrSystemReader = `${admin} or ${systemReader}`
const domainManagerOf = (target: string) =>
  `${admin} or (role:manager and domain_id:%(target.${target})s and not None:%(target.${target})s)`
const readerOf = (target: string) =>
  `${adminOrSystemReader} or (role:reader and domain_id:%(target.${target})s and not None:%(target.${target})s)`

const projectReader = `${readerOf('project.domain_id')} or project_id:%(target.project.id)s`

const rules = (scopes: Scopes | undefined, rule: string, names: string): PolicyRule[] =>
  names.trim().split(/\s+/).map((name) => ({ name: `identity:${name}`, rule, ...(scopes && { scopes }) }))

/** A role in the user's or group's domain on a project or domain of the same domain. */
const grantBy = (role: string): string => {
  const rule = (actor: string, place: string) =>
    `(role:${role} and domain_id:%(target.${actor}.domain_id)s and domain_id:%(target.${place})s)`
  const places = ['project.domain_id', 'domain.id']
  return ['user', 'group'].flatMap((actor) => places.map((place) => rule(actor, place))).join(' or ')
}
const roleOfDomain = '(domain_id:%(target.role.domain_id)s or None:%(target.role.domain_id)s)'
const changeGrant = [
  admin, `((${grantBy('admin')}) and ${roleOfDomain})`, `((${grantBy('manager')}) and rule:domain_managed_target_role)`,
].join(' or ')

const credentialOwner = 'user_id:%(target.credential.user_id)s'
const trustor = 'user_id:%(target.trust.trustor_user_id)s'
const trustee = 'user_id:%(target.trust.trustee_user_id)s'

const bases: PolicyRule[] = [
  { name: 'admin_required', rule: 'role:admin or is_admin:1' },
  { name: 'service_role', rule: 'role:service' },
  { name: 'service_or_admin', rule: 'rule:admin_required or rule:service_role' },
  { name: 'owner', rule: 'user_id:%(user_id)s' },
  { name: 'admin_or_owner', rule: 'rule:admin_required or rule:owner' },
  { name: 'manager_above', rule: 'role:manager and True:%(is_below)s' },
  { name: 'token_subject', rule: 'user_id:%(target.token.user_id)s' },
  { name: 'admin_or_token_subject', rule: 'rule:admin_required or rule:token_subject' },
  { name: 'service_admin_or_token_subject', rule: 'rule:service_or_admin or rule:token_subject' },
  {
    name: 'domain_managed_target_role',
    rule: "'manager':%(target.role.name)s or 'member':%(target.role.name)s or 'reader':%(target.role.name)s",
  },
]

const identities: PolicyRule[] = [
  ...rules(everywhere,
    `${adminOrSystemReader} or token.domain.id:%(target.domain.id)s or token.project.domain.id:%(target.domain.id)s`,
    'get_domain'),
  ...rules(everywhere, `${adminOrSystemReader} or (role:reader and domain_id:%(target.domain.id)s)`, 'list_domains'),
  ...rules(systemOrProject, admin, 'create_domain update_domain delete_domain'),
  ...rules(systemOrProject, admin, 'create_domain_config update_domain_config delete_domain_config'),
  ...rules(systemOrProject, adminOrSystemReader, 'get_domain_config get_domain_config_default'),
  ...rules(everywhere, '', 'get_security_compliance_domain_config'),
  ...rules(everywhere, projectReader, 'list_project_tags get_project_tag'),
  // Who shares out what is below them has to find it: clients look a project up before they set its quota.
  ...rules(everywhere, `${projectReader} or rule:manager_above`, 'get_project'),
  ...rules(everywhere, `${adminOrSystemReader} or (role:reader and domain_id:%(target.domain_id)s)`,
    'list_projects list_users list_role_assignments list_role_assignments_for_tree'),
  ...rules(everywhere, `${readerOf('user.domain_id')} or user_id:%(target.user.id)s`, 'list_user_projects'),
  ...rules(everywhere, domainManagerOf('project.domain_id'), `
    create_project update_project delete_project update_project_tags create_project_tag delete_project_tags
    delete_project_tag
  `),
  ...rules(everywhere,
    `${adminOrSystemReader} or (role:reader and token.domain.id:%(target.user.domain_id)s) or`
      + ' user_id:%(target.user.id)s',
    'get_user'),
  ...rules(everywhere, `${admin} or (role:manager and token.domain.id:%(target.user.domain_id)s)`,
    'create_user update_user delete_user'),
  ...rules(undefined, '', 'list_projects_for_user list_domains_for_user'),
  ...rules(everywhere, readerOf('group.domain_id'), 'get_group list_groups list_users_in_group'),
  ...rules(everywhere, `${readerOf('user.domain_id')} or user_id:%(user_id)s`, 'list_groups_for_user'),
  ...rules(everywhere, domainManagerOf('group.domain_id'), 'create_group update_group delete_group'),
  ...rules(everywhere,
    `${adminOrSystemReader} or (role:reader and domain_id:%(target.group.domain_id)s and`
      + ' domain_id:%(target.user.domain_id)s)',
    'check_user_in_group'),
  ...rules(everywhere,
    `${admin} or (role:manager and domain_id:%(target.group.domain_id)s and domain_id:%(target.user.domain_id)s)`,
    'add_user_to_group remove_user_from_group'),
]

const assignments: PolicyRule[] = [
  ...rules(everywhere, `${adminOrSystemReader} or (role:manager and rule:domain_managed_target_role)`, 'get_role'),
  ...rules(everywhere, `${adminOrSystemReader} or (role:manager and not domain_id:None)`, 'list_roles'),
  ...rules(systemOrProject, admin,
    'create_role update_role delete_role create_domain_role update_domain_role delete_domain_role'),
  ...rules(systemOrProject, adminOrSystemReader, 'get_domain_role list_domain_roles'),
  ...rules(systemOrProject, adminOrSystemReader,
    'get_implied_role list_implied_roles list_role_inference_rules check_implied_role'),
  ...rules(systemOrProject, admin, 'create_implied_role delete_implied_role'),
  ...rules(everywhere, `${adminOrSystemReader} or ((${grantBy('reader')}) and ${roleOfDomain})`, 'check_grant'),
  ...rules(everywhere, `${adminOrSystemReader} or ${grantBy('reader')}`, 'list_grants'),
  ...rules(everywhere, changeGrant, 'create_grant revoke_grant'),
  ...rules(systemOrProject, adminOrSystemReader, `
    list_system_grants_for_user check_system_grant_for_user list_system_grants_for_group
    check_system_grant_for_group
  `),
  ...rules(systemOrProject, admin, `
    create_system_grant_for_user revoke_system_grant_for_user create_system_grant_for_group
    revoke_system_grant_for_group
  `),
]

const catalogs: PolicyRule[] = [
  ...rules(everywhere, '', 'get_region list_regions'),
  ...rules(systemOrProject, admin, 'create_region update_region delete_region'),
  ...rules(systemOrProject, adminOrSystemReader, 'get_service list_services get_endpoint list_endpoints'),
  ...rules(systemOrProject, admin,
    'create_service update_service delete_service create_endpoint update_endpoint delete_endpoint'),
  ...rules(systemOrProject, adminOrSystemReader, `
    list_endpoint_groups get_endpoint_group list_projects_associated_with_endpoint_group
    list_endpoints_associated_with_endpoint_group get_endpoint_group_in_project list_endpoint_groups_for_project
  `),
  ...rules(systemOrProject, admin, `
    create_endpoint_group update_endpoint_group delete_endpoint_group add_endpoint_group_to_project
    remove_endpoint_group_from_project
  `),
  ...rules(systemOrProject, adminOrSystemReader,
    'list_projects_for_endpoint check_endpoint_in_project list_endpoints_for_project'),
  ...rules(systemOrProject, admin, 'add_endpoint_to_project remove_endpoint_from_project'),
  ...rules(systemOrProject, adminOrSystemReader, `
    get_policy list_policies get_policy_for_endpoint list_endpoints_for_policy
    check_policy_association_for_endpoint check_policy_association_for_service
    check_policy_association_for_region_and_service
  `),
  ...rules(systemOrProject, admin, `
    create_policy update_policy delete_policy create_policy_association_for_endpoint
    delete_policy_association_for_endpoint create_policy_association_for_service
    delete_policy_association_for_service create_policy_association_for_region_and_service
    delete_policy_association_for_region_and_service
  `),
  ...rules(everywhere, '', 'get_registered_limit list_registered_limits get_limit_model list_limits'),
  ...rules(everywhere,
    `${adminOrSystemReader} or domain_id:%(target.limit.domain.id)s or domain_id:%(target.limit.project.domain_id)s`
    + ' or (project_id:%(target.limit.project_id)s and not None:%(target.limit.project_id)s)',
    'get_limit'),
  ...rules(systemOrProject, admin, `
    create_registered_limits update_registered_limit delete_registered_limit create_limits update_limit
    delete_limit
  `),
]

const delegations: PolicyRule[] = [
  ...rules(everywhere, `${adminOrSystemReader} or ${credentialOwner}`, 'get_credential list_credentials'),
  ...rules(everywhere, `${admin} or ${credentialOwner}`, 'create_credential update_credential delete_credential'),
  ...rules(systemOrProject, `${adminOrSystemReader} or ${credentialOwner}`, 'ec2_get_credential'),
  ...rules(systemOrProject, `${adminOrSystemReader} or rule:owner`, 'ec2_list_credentials'),
  ...rules(systemOrProject, `${admin} or (role:member and ${credentialOwner})`,
    'ec2_create_credential ec2_delete_credential'),
  ...rules(systemOrProject, `${adminOrSystemReader} or rule:owner`,
    'get_application_credential list_application_credentials'),
  ...rules(['project'], 'user_id:%(user_id)s', 'create_application_credential'),
  ...rules(systemOrProject, 'rule:admin_or_owner', 'delete_application_credential'),
  ...rules(systemOrProject, `${systemReader} or user_id:%(target.user.id)s`, 'get_access_rule list_access_rules'),
  ...rules(systemOrProject, '(role:admin and system_scope:all) or user_id:%(target.user.id)s', 'delete_access_rule'),
  ...rules(['project'], trustor, 'create_trust'),
  ...rules(systemOrProject, adminOrSystemReader, 'list_trusts'),
  ...rules(systemOrProject, `${adminOrSystemReader} or ${trustor}`, 'list_trusts_for_trustor'),
  ...rules(systemOrProject, `${adminOrSystemReader} or ${trustee}`, 'list_trusts_for_trustee'),
  ...rules(systemOrProject, `${adminOrSystemReader} or ${trustor} or ${trustee}`,
    'get_trust list_roles_for_trust get_role_for_trust'),
  ...rules(systemOrProject, `${admin} or ${trustor}`, 'delete_trust'),
]

const tokens: PolicyRule[] = [
  ...rules(undefined, '', 'get_auth_catalog get_auth_projects get_auth_domains get_auth_system'),
  ...rules(everywhere, `${adminOrSystemReader} or rule:token_subject`, 'check_token'),
  ...rules(everywhere, `${adminOrSystemReader} or rule:service_role or rule:token_subject`, 'validate_token'),
  ...rules(everywhere, `${admin} or rule:token_subject`, 'revoke_token'),
]

export const policies: PolicyRule[] = [...bases, ...identities, ...assignments, ...catalogs, ...delegations, ...tokens]
