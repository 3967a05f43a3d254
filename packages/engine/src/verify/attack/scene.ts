import type { VerifyContext } from '../context.ts'
import type { Target } from './targets.ts'

/** What every attempt may need to know. */
export interface Scene {
  readonly context: VerifyContext
  /** Keyed by `schema.table`. */
  readonly targets: ReadonlyMap<string, Target>
  /** Roles that attack -> themselves and every role that they are a member of. */
  readonly memberships: ReadonlyMap<string, ReadonlySet<string>>
  /** `schema.table.column` -> the text that the victim's row holds there, and no row of the attacker. */
  readonly texts: ReadonlyMap<string, string>
}

/** Who attacks whom. */
export interface Plot {
  readonly role: string
  /** The tenant in the request context. */
  readonly attacker: string
  readonly victim: string
  /** The essential attempts only. */
  readonly quick: boolean
  /** False for the owner of the table, who may change its definition. */
  readonly isApplication: boolean
}

/** What must never reach anybody else: the tenant's own id, and of one row of each table the id or the mark. */
export function canariesOf(scene: Scene, tenant: string): string[] {
  const rows = [...scene.targets.values()].map((target) => target.rows.get(tenant))
  // A short tenant number stands in any text.
  return [
    ...new Set([tenant, ...rows.map((row) => row?.id), ...rows.map((row) => row?.mark)].filter((id) => isUuid(id))),
  ]
}

export function isUuid(text: string | null | undefined): text is string {
  return text !== null && text !== undefined && /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)
}
