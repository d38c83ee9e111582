/** Keeps the tokens' books: forgets marks that no token needs, picks up other processes' news, and rotates keys. */
import { defineController } from '#platform/controllers/controller.ts'
import type { Database } from '#platform/db/database.ts'
import type { Clock } from '#platform/clock/clock.ts'
import type { Tokens } from '../manager/tokens.ts'
import { expiredRevocations, removeRevocations } from '../store/revocation-sweep.ts'

type Step = { kind: 'forget'; ids: string[] } | { kind: 'rotate' }
interface World { expired: string[]; rotationDue: boolean }

export const tokenUpkeep = ({ tokens, db, clock }: {
  tokens: Tokens
  db: Database
  clock: Clock
}) => defineController<World, Step>({
  name: 'keystone.token-upkeep',
  about: 'Forgets revocations whose tokens have ended, and rotates the token keys.',
  wakesOn: [],
  everySeconds: 60,
  perPass: 500,
  observe: async (limit) => {
    await tokens.catchUp()
    return { expired: await expiredRevocations(db, clock.now(), limit), rotationDue: tokens.isRotationDue() }
  },
  plan: ({ expired, rotationDue }) => [
    ...(expired.length > 0 ? [{ kind: 'forget' as const, ids: expired }] : []),
    ...(rotationDue ? [{ kind: 'rotate' as const }] : []),
  ],
  act: async (step) => {
    if (step.kind === 'forget') await removeRevocations(db, step.ids)
    else await tokens.rotateKeys()
  },
  key: (step) => step.kind,
})
