import type { Role } from './model.ts'

/** Some roles and every role that they are a member of. */
export function withGroups(names: Iterable<string>, roles: ReadonlyMap<string, Role>): Set<string> {
  const found = new Set(names)
  for (const name of found) for (const group of roles.get(name)?.memberOf ?? []) found.add(group)
  return found
}
