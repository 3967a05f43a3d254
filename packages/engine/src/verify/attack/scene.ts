import type { VerifyContext } from '../context.ts'
import type { Target } from './targets.ts'

/** What every attempt may need to know. */
export interface Scene {
  readonly context: VerifyContext
  /** Keyed by `schema.table`. */
  readonly targets: ReadonlyMap<string, Target>
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

/** Ids that must never reach anybody else: the tenant's own and one row of each table. */
export function canariesOf(scene: Scene, tenant: string): string[] {
  const ids = [...scene.targets.values()].map((target) => target.rows.get(tenant)?.id).filter((id) => isUuid(id))
  // A short tenant number stands in any text.
  return [...new Set([...(isUuid(tenant) ? [tenant] : []), ...ids])] as string[]
}

export function isUuid(text: string | null | undefined): text is string {
  return text !== null && text !== undefined && /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)
}
