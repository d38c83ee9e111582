/** `npm run new:service NAME`: makes the folder of a service, with one resource that works. */
import { parseArgs } from 'node:util'
import { join } from 'node:path'
import { writeService } from './templates/write-service.ts'
import { levels } from './imports/rules.ts'

const usage =
  'Usage: npm run new:service NAME (lower-case letters, digits and dashes; first its level in tools/imports/rules.ts)'
const services = join(import.meta.dirname, '../packages/server/src/services')

function main(): void {
  const { positionals } = parseArgs({ allowPositionals: true })
  const [name, ...more] = positionals
  if (name === undefined || more.length > 0) throw new Error(usage)
  const level = levels[name]
  if (level === undefined) {
    throw new Error(
      `"${name}" has no level yet: add it to "levels" in tools/imports/rules.ts, above all that it will call.`,
    )
  }
  const written = writeService({ name, level, into: join(services, name) })
  for (const path of written) console.log(`written ${path}`)
  console.log(
    `\nNow: add ${name} to packages/server/src/app/services.ts; then: ./quaystone test --only services/${name}`,
  )
}

try {
  main()
} catch (error) {
  console.error((error as Error).message)
  process.exitCode = 1
}
