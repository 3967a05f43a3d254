import type { Membership, Role } from './model.ts'

type Memberships = Readonly<Record<string, Membership>>

/** How a role is in a group. */
export function membershipOf(
  { inherit, memberships }: Pick<Role, 'inherit' | 'memberships'>,
  group: string,
): Membership {
  return memberships[group] ?? { admin: false, inherit, set: true }
}

/** Those that GRANT without options would not make. */
export function unusualMemberships(memberships: Memberships, inherits: boolean): Memberships {
  const isUnusual = ({ admin, inherit, set }: Membership) => admin || inherit !== inherits || !set
  return Object.fromEntries(Object.entries(memberships).filter(([, own]) => isUnusual(own)))
}
