/** Where a service is on its way from the shared database to its own. */
export const states = [
  'mapped',
  'cleared',
  'provisioned',
  'copying',
  'streaming',
  'verified',
  'armed',
  'fenced',
  'drained',
  'committed',
  'reversible',
  'reverting',
  'reverted',
  'retired',
  'cancelled',
] as const

export type State = (typeof states)[number]

/**
 * The legal transitions. Until `committed` the shared database serves and every error leads back; from there on the
 * service's own database serves and every restart completes forward. `reverted` is the same point of no return for the way
 * back: rows that were written on the service's database are in the shared one by then.
 */
export const transitions: Readonly<Record<State, readonly State[]>> = {
  mapped: ['cleared', 'cancelled'],
  cleared: ['provisioned', 'cancelled'],
  provisioned: ['copying', 'cancelled'],
  copying: ['streaming', 'cancelled'],
  streaming: ['verified', 'cancelled'],
  verified: ['armed', 'streaming', 'cancelled'],
  armed: ['fenced', 'streaming', 'cancelled'],
  fenced: ['drained', 'streaming', 'cancelled'],
  drained: ['committed', 'streaming', 'cancelled'],
  committed: ['reversible'],
  reversible: ['reverting', 'retired'],
  reverting: ['reverted', 'reversible'],
  reverted: ['mapped'],
  retired: [],
  cancelled: ['mapped'],
}

/** Which database clients must use in a state. */
export function serves(state: State | undefined): 'shared' | 'own' {
  return state && ['committed', 'reversible', 'reverting', 'retired'].includes(state) ? 'own' : 'shared'
}

/** Nothing of a move is left in the shared database: it has not begun, or is undone. */
export const atRest: readonly State[] = ['mapped', 'cancelled', 'reverted']

export function isAtRest(state: State | undefined): boolean {
  return state === undefined || atRest.includes(state)
}

/** Whether the service's database has its tables: rows arrive there, or are there. */
export function hasTables(state: State | undefined): boolean {
  return !isAtRest(state) && state !== 'cleared'
}
