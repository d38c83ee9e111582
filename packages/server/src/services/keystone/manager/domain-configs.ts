/** Options of a domain's own (its directory server, its password rules), sealed as they may hold passwords. */
import { forbidden, notFound } from '#platform/errors/errors.ts'
import { domainConfigs } from '../store/entity-store.ts'
import type { Ground } from './ground.ts'
import type { Seal } from './seal.ts'

export type Config = Record<string, Record<string, unknown>>

/** What may be set for a domain, with its default. */
const known: Record<string, Record<string, unknown>> = {
  identity: { driver: 'sql', list_limit: null },
  ldap: {
    url: 'ldap://localhost', user: null, suffix: 'cn=example,cn=com', query_scope: 'one', page_size: 0,
    chase_referrals: null,
    user_tree_dn: null, user_filter: null, user_objectclass: 'inetOrgPerson', user_id_attribute: 'cn',
    user_name_attribute: 'sn',
    user_mail_attribute: 'mail', user_enabled_attribute: 'enabled', user_allow_create: false, user_allow_update: false,
    user_allow_delete: false,
    group_tree_dn: null, group_filter: null, group_objectclass: 'groupOfNames', group_id_attribute: 'cn',
    group_name_attribute: 'ou',
    group_member_attribute: 'member', group_desc_attribute: 'description', use_tls: false, tls_cacertfile: null,
    tls_req_cert: 'demand',
  },
}
/** May be set, is never shown. */
const hidden = new Set(['ldap.password'])

export class DomainConfigs {
  readonly #ground: Ground
  readonly #seal: Seal
  constructor(ground: Ground, seal: Seal) {
    this.#ground = ground
    this.#seal = seal
  }

  async exists(domainId: string): Promise<boolean> { return await domainConfigs.fetch(
    this.#ground.db, domainId,
  ) !== undefined }

  async show(domainId: string, group?: string, option?: string): Promise<Config | Record<string, unknown>> {
    const config = await this.#read(domainId)
    const what = option === undefined ? group ?? 'any options' : `option ${option} in group ${group}`
    const shown = config && pick(visible(config), group, option)
    if (shown === undefined) throw notFound(`Could not find ${what} in domain configuration for domain ${domainId}.`)
    return shown
  }

  async replace(domainId: string, config: Config): Promise<Config> {
    refuseUnknown(config)
    await this.#write(domainId, config)
    return visible(config)
  }

  /** `changes` holds exactly what the path names. */
  async update(domainId: string, changes: Config, group?: string, option?: string): Promise<Config | Record<string,
  unknown>> {
    const whole = wrapped(changes, group, option)
    refuseUnknown(whole)
    const before = await this.#read(domainId)
    if (!before || (group !== undefined && !(group in before))) {
      throw notFound(`Could not find ${group ?? 'any options'} in domain configuration for domain ${domainId}.`)
    }
    const after = { ...before }
    for (const [name, options] of Object.entries(whole)) after[name] = { ...after[name], ...options }
    await this.#write(domainId, after)
    return visible(after)
  }

  async remove(domainId: string, group?: string, option?: string): Promise<void> {
    const config = await this.#read(domainId)
    if (group === undefined) { await domainConfigs.remove(this.#ground.db, domainId); return }
    const options = config?.[group]
    if (!options || (option !== undefined && !(option in options))) {
      throw notFound(`Could not find ${option ?? `group ${group}`} in domain configuration for domain ${domainId}.`)
    }
    if (option === undefined) delete config[group]
    else delete options[option]
    await this.#write(domainId, config)
  }

  defaults(group?: string, option?: string): Config | Record<string, unknown> {
    const shown = pick(known, group, option)
    if (shown === undefined) {
      throw forbidden(
        `Invalid domain specific configuration: Group ${group}${option === undefined ? '' : ` option ${option}`}`
          + ' is not supported for domain specific configurations.'
      )
    }
    return shown
  }

  /** The password rules that hold in the domain, for anybody's eyes. */
  securityCompliance(option?: string): Record<string, unknown> {
    const { passwordRegex, passwordRegexDescription } = this.#ground.settings
    const all: Record<string, unknown> = {
      password_regex: passwordRegex ?? null, password_regex_description: passwordRegexDescription ?? null,
    }
    if (option === undefined) return { security_compliance: all }
    if (!(option in all)) {
      throw forbidden(
        `You are not authorized to perform the requested action: read domain option security_compliance.${option}.`
      )
    }
    return { [option]: all[option] }
  }

  async #read(domainId: string): Promise<Config | undefined> {
    const row = await domainConfigs.fetch(this.#ground.db, domainId)
    return row && JSON.parse(this.#seal.open(String(row.config.sealed)))
  }

  async #write(domainId: string, config: Config): Promise<void> {
    const row = { id: domainId, config: { sealed: this.#seal.close(JSON.stringify(config)) } as never }
    await this.#ground.db.transaction(async (tx) => {
      await domainConfigs.remove(tx, domainId)
      await domainConfigs.insert(tx, row)
    })
  }
}

const visible = (config: Config): Config => Object.fromEntries(Object.entries(config).map(([group, options]) =>
  [group, Object.fromEntries(Object.entries(options).filter(([option]) => !hidden.has(`${group}.${option}`)))]))

const pick = (config: Config, group?: string, option?: string): Config | Record<string, unknown> | undefined => {
  if (group === undefined) return config
  const options = Object.hasOwn(config, group) ? config[group] : undefined
  if (options === undefined || option === undefined) return options && { [group]: options }
  return Object.hasOwn(options, option) ? { [option]: options[option] } : undefined
}

const wrapped = (changes: Config, group?: string, option?: string): Config => {
  if (group === undefined) return changes
  if (option === undefined) return Object.hasOwn(changes, group) ? { [group]: changes[group]! } : refuse(
    `Trying to update group ${group}, so that, and only that, group must be specified in the config`
  )
  return Object.hasOwn(changes, option) ? { [group]: { [option]: changes[option] } } : refuse(
    `Trying to update option ${option} in group ${group}, so that, and only that, option must be specified in`
      + ' the config'
  )
}

const refuse = (reason: string): never => { throw forbidden(`Invalid domain specific configuration: ${reason}.`) }

const refuseUnknown = (config: Config): void => {
  if (Object.keys(config).length === 0) refuse('No options specified')
  for (const [group, options] of Object.entries(config)) {
    if (!Object.hasOwn(known, group)) refuse(`Group ${group} is not supported for domain specific configurations`)
    if (typeof options !== 'object' || options === null) refuse(`Group ${group} must be an object of options`)
    const unknown = Object.keys(options).find((option) => !Object.hasOwn(
      known[group]!, option,
    ) && !hidden.has(`${group}.${option}`))
    if (unknown !== undefined) {
      refuse(
        `Option ${unknown} in group ${group} is not supported for domain specific configurations`
      )
    }
  }
}
