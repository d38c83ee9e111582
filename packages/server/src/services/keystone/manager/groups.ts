/** Groups of users, and who is in them. */
import type { Executor } from '#platform/db/database.ts'
import { hexId } from '#platform/ids/ids.ts'
import { groups, memberships, projects, users } from '../store/entity-store.ts'
import type { Extra, Group } from '../store/tables.ts'
import type { Ground } from './ground.ts'
import { found, invalid, missing, unlessTaken } from './refusals.ts'
import { removeTracesOfGroup } from './traces.ts'

export interface GroupChanges { name?: string; domain_id?: string; description?: string | null; extra?: Extra }

const nameConflict = (name: string) => `Duplicate entry found with name ${name}`

export class Groups {
  readonly #ground: Ground
  constructor(ground: Ground) { this.#ground = ground }

  get #db() { return this.#ground.db }

  async fetch(id: string, db: Executor = this.#db): Promise<Group> { return found(
    await groups.fetch(db, id), 'group', id,
  ) }
  find(id: string): Promise<Group | undefined> { return groups.fetch(this.#db, id) }
  list(match: { domain_id?: string; name?: string } = {}): Promise<Group[]> { return groups.list(this.#db, match) }

  async ofUser(userId: string): Promise<Group[]> {
    found(await users.fetch(this.#db, userId), 'user', userId)
    return await groups.list(
      this.#db, { id: (await memberships.list(this.#db, { user_id: userId })).map((one) => one.group_id) },
    )
  }

  async create(wanted: GroupChanges & { name: string; domain_id: string }, id = hexId()): Promise<Group> {
    const group: Group = {
      id, name: wanted.name.trim(), domain_id: wanted.domain_id, description: wanted.description ?? '',
      extra: wanted.extra ?? {},
    }
    await unlessTaken('group', nameConflict(group.name), () => this.#db.transaction(async (tx) => {
      const domain = await projects.fetch(tx, group.domain_id)
      if (!domain?.is_domain) throw missing('domain', group.domain_id)
      await groups.insert(tx, group)
    }))
    return group
  }

  async update(id: string, changes: GroupChanges): Promise<Group> {
    return await unlessTaken('group', nameConflict(changes.name ?? ''), () => this.#db.transaction(async (tx) => {
      const before = await this.fetch(id, tx)
      if (changes.domain_id !== undefined && changes.domain_id !== before.domain_id) {
        throw invalid('Cannot change Domain ID', 'domain_id')
      }
      const after: Group = {
        ...before, name: changes.name?.trim() ?? before.name,
        description: changes.description === undefined ? before.description : changes.description ?? '',
        extra: { ...before.extra, ...changes.extra },
      }
      await groups.update(tx, id, after)
      return after
    }))
  }

  async remove(id: string): Promise<void> {
    await this.#db.transaction(async (tx) => {
      await this.fetch(id, tx)
      const members = await memberships.list(tx, { group_id: id })
      await removeTracesOfGroup(tx, id)
      await groups.remove(tx, id)
      this.#ground.news.changed(tx, { users: members.map((one) => one.user_id) })
    })
  }

  async isMember(groupId: string, userId: string): Promise<boolean> {
    return await memberships.find(this.#db, { group_id: groupId, user_id: userId }) !== undefined
  }

  async requireMember(groupId: string, userId: string): Promise<void> {
    if (!await this.isMember(groupId, userId)) throw missing('user in group', `${userId} in ${groupId}`)
  }

  /** Adding a member again changes nothing. */
  async addMember(groupId: string, userId: string): Promise<void> {
    const id = hexId()
    await this.#db.transaction(async (tx) => {
      await this.fetch(groupId, tx)
      found(await users.fetch(tx, userId), 'user', userId)
      if (await memberships.find(tx, { group_id: groupId, user_id: userId })) return
      await memberships.insert(tx, { id, group_id: groupId, user_id: userId })
      this.#ground.news.changed(tx, { users: [userId] })
    })
  }

  async removeMember(groupId: string, userId: string): Promise<void> {
    await this.#db.transaction(async (tx) => {
      await this.fetch(groupId, tx)
      found(await users.fetch(tx, userId), 'user', userId)
      const gone = await memberships.removeWhere(tx, { group_id: groupId, user_id: userId })
      if (gone === 0) throw missing('user in group', `${userId} in ${groupId}`)
      this.#ground.news.changed(tx, { users: [userId] })
    })
  }
}
