/** What a refusal of quota says to programs: a stable code, and the numbers that whoever asks may see. */
import { T } from '#platform/api-kit/schema.ts'

const opt = T.Optional
const number = opt(T.Integer())

/** A field is absent where it is about nothing, or about somebody whom the caller may not see. */
const details = T.Object({
  code: T.String({ description: 'CEILING, BORROW, SHORTAGE, NO_RIGHT, RECLAIMING, ABOVE_PARENT, …' }),
  field: opt(T.String()),
  resource: opt(T.String()),
  project_id: opt(T.String({ description: 'Whose request or whose limit it is' })),
  node: opt(T.String({ description: 'Where it does not fit; absent: above the project' })),
  ...{ asked: number, limit: number, used: number, reserved: number, available: number, missing: number },
  min: opt(T.Integer({ description: 'Of a limit: the least that may be set' })),
  max: opt(T.Integer({ description: 'Of a limit: the most that may be set' })),
  exceeded: opt(
    T.Array(
      T.Object({
        ...{ resource: T.String(), asked: T.Integer(), limit: T.Integer() },
        ...{ used: T.Integer(), reserved: T.Integer() },
      }),
      { description: "All of the request that is beyond the project's own limits" },
    ),
  ),
  held_by: opt(
    T.Array(T.Object({ project_id: T.String(), amount: T.Integer() }), {
      description: 'Who at and below the node uses more than its own, and how much more',
    }),
  ),
  limit_id: opt(T.String({ description: "Keystone's limit, which is changed there" })),
  remedy: opt(T.String()),
  retry_after: opt(T.Integer({ description: 'Seconds; also in the header Retry-After' })),
})

export const fault = T.Object({
  error: T.Object({ code: T.Integer(), title: T.String(), message: T.String(), details: opt(details) }),
})
