import type { State } from '../ledger/states.ts'
import type { Dependency } from '../deps/dependency.ts'

export interface ServiceStatus {
  readonly service: string
  readonly database: string
  readonly state: State
  readonly serves: 'shared' | 'own'
  readonly tables: number
  readonly since: Date
  /** Rows whose every value was compared, and when. */
  readonly verified: { readonly rows: number; readonly at: string } | null
  readonly gapMs: number | null
  /** Foreign keys of the shared database that lead out of the service or into it. */
  readonly crossingKeys: number
  /** Views and routines of the shared database that join the service with another, not settled and not allowed. */
  readonly queriesAcross: number
  readonly lag: LogLag | null
  readonly isolation: Isolation
  readonly deployment: Deployment
}

/** What of a log is not applied on the other side yet. */
export interface LogLag {
  readonly direction: 'forward' | 'reverse'
  /** Null where it cannot be told, across files of a binlog. */
  readonly bytes: number | null
  /** Somebody reads it right now; null where the server does not know. */
  readonly followed: boolean | null
}

export interface Isolation {
  /** Databases of other services, and the ledger, that the service's user can enter. */
  readonly canEnter: readonly string[]
  /** It has a user of its own, and that user can enter no other database of the split. */
  readonly isolated: boolean
}

/** Whether a service can be released without asking another. */
export interface Deployment {
  readonly ownUser: boolean
  /** Its own history of migrations: 'clean' when it says the same as the files. */
  readonly migrations: 'none' | 'clean' | 'unclean'
  /** Own database, own user, own clean history, isolated, and no foreign key across. */
  readonly independent: boolean
}

export interface SplitStatus {
  readonly source: string
  readonly at: Date
  readonly services: readonly ServiceStatus[]
  readonly servicesWithOwnDatabase: number
  readonly sharedTables: number
  readonly crossingKeys: number
  /** Views, routines and triggers of the shared database across services: left to solve, and on the allow-list. */
  readonly queriesAcross: { readonly open: number; readonly allowed: number; readonly unknown: number }
  readonly verifiedShare: number
  readonly isolatedServices: number
  readonly independentServices: number
  /** What the figures of keys and queries are made of. */
  readonly dependencies: readonly (Dependency & { readonly open: boolean })[]
}
