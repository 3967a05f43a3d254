import type { Ledger } from '../ledger/ledger.ts'
import type { MovedTable, TableName } from '../model.ts'
import type { Obstacle, OwnedForeignKey, ServiceDatabase, Side } from '../side.ts'

/** Everything that the move of one service works with. */
export interface Move {
  readonly service: string
  readonly source: Side
  readonly target: ServiceDatabase
  readonly tables: readonly MovedTable[]
  /** Static tables of all services: copied along, and read-only here. */
  readonly reference: readonly MovedTable[]
  /** Tables of which every service has its own: copied along and followed, the service's own from its switch on. */
  readonly common: readonly MovedTable[]
  /** Brings what the service wrote into them back to the shared database, waiting so long for a row at most. Twice is once. */
  readonly returnCommon: (seconds: number) => Promise<void>
  /** Of the shared database, with one end in this service and the other elsewhere. */
  readonly crossingKeys: readonly OwnedForeignKey[]
  /** Of the shared database, with both ends in this service. */
  readonly innerKeys: readonly OwnedForeignKey[]
  /** The service that a table of the shared database belongs to. */
  readonly ownerOf: (table: TableName) => string | undefined
  readonly ledger: Ledger
  readonly routes: Routes
  /** Whether the server that the service moves to has room for it. */
  readonly roomObstacles: () => Promise<Obstacle[]>
  readonly schema: ServiceSchema
  readonly looseKeys: LooseKeyWatch
  readonly options: MoveOptions
  readonly signal: AbortSignal
  /** Told what happens, for a person who waits. */
  readonly say: (text: string) => void
}

/** Where clients find the tables of a service. Whoever gets IMH01 reads it again. */
export interface Routes {
  /** Clients use the service's own database from now on, or the shared one again. Twice is once. */
  set(service: string, where: 'own' | 'shared'): Promise<void>
}

/** Remembers deleted parents for the worker of loose keys. */
export interface LooseKeyWatch {
  /** In the shared database, of all parents with a foreign key across the service's border. Twice is once. */
  watchShared(): Promise<void>
  /** In the service's database, of its own parents. */
  watchOwn(): Promise<void>
  /** Deletes or nullifies children of the parents that were remembered up to now, by the service itself before it was reverted. */
  settle(state: 'cancelled' | 'reverted'): Promise<void>
}

/** What makes the service's tables, in two parts: rows are loaded between them. */
export interface ServiceSchema {
  /** The tables with their primary keys. */
  createTables(): Promise<void>
  /** Indexes, foreign keys, checks and whatever else is too slow or too strict while rows arrive. */
  createKeys(): Promise<void>
  /** Gives the application's role its rights on the tables. */
  grant(): Promise<void>
  /** Makes the empty database, unless it is there. */
  prepare(): Promise<void>
  /** Drops the tables, so that a move can begin anew. */
  drop(): Promise<void>
}

export interface MoveOptions {
  /** Rows of a chunk that is copied, and of a range that is compared. */
  readonly chunkRows: number
  /** How long a move waits for the receiving side to catch up. */
  readonly maxWaitSeconds: number
  /** How long clients may stand still for the last changes to arrive; after that they are let in again where they were. */
  readonly maxGapSeconds: number
  /** Room between the greatest value in use and the next one that the service's database hands out. */
  readonly sequenceGap: number
  /** A source that answers slower than this many times its usual is given a rest; 0: never. */
  readonly throttle: number
}

export const defaultOptions: MoveOptions = {
  chunkRows: 20_000,
  maxWaitSeconds: 600,
  maxGapSeconds: 30,
  sequenceGap: 1_000,
  throttle: 4,
}

/** What is copied, followed and compared on the way there. */
export function allTables({ tables, reference, common }: Move): readonly MovedTable[] {
  return [...tables, ...reference, ...common]
}

/** What clients of the service's own database may write. */
export function writableTables({ tables, common }: Move): readonly MovedTable[] {
  return [...tables, ...common]
}

export const forwardLog = (service: string) => `imhotep_fwd_${service}`
export const reverseLog = (service: string) => `imhotep_rev_${service}`
