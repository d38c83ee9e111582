/** Whether an application credential's access rules admit a request (Keystone's path patterns). */
import type { AccessRule } from '#platform/auth/context.ts'

const patterns = new Map<string, RegExp>()

const compile = (path: string): RegExp => {
  const source = path
    .replace(/[.+?^$()|[\]\\]/g, '\\$&')
    .replace(/\{[^/}]*\}/g, '[^/]+')
    .replace(/\*\*|\*/g, (star) => (star === '**' ? '.+' : '[^/]+'))
  return new RegExp(`^${source}/?$`)
}

const patternOf = (path: string): RegExp => {
  let pattern = patterns.get(path)
  if (!pattern) patterns.set(path, (pattern = compile(path)))
  return pattern
}

export const isAdmitted = (
  rules: AccessRule[],
  asked: { services: string[]; method: string; path: string },
): boolean =>
  rules.some(
    (rule) =>
      asked.services.includes(rule.service) &&
      rule.method.toUpperCase() === asked.method &&
      patternOf(rule.path).test(asked.path),
  )
