import type { LogLag, SplitStatus } from './split-status.ts'

export interface Figure {
  readonly name: string
  readonly value: string
  /** The target of a whole split is reached. */
  readonly reached: boolean
}

/** The figures of the whole split, in the order of the dashboard. */
export function figures(status: SplitStatus): Figure[] {
  const all = status.services.length
  const ofAll = (name: string, number: number): Figure => ({
    name,
    value: `${number} of ${all}`,
    reached: number === all,
  })
  const { open, allowed, unknown } = status.queriesAcross
  const notes = [...(allowed > 0 ? [`${allowed} allowed`] : []), ...(unknown > 0 ? [`${unknown} unknown`] : [])]
  return [
    ofAll('services with their own database', status.servicesWithOwnDatabase),
    { name: 'tables still shared', value: String(status.sharedTables), reached: status.sharedTables === 0 },
    {
      name: 'queries across services',
      value: `${open}${notes.length > 0 ? ` (${notes.join(', ')})` : ''}`,
      reached: open + unknown === 0,
    },
    { name: 'foreign keys across', value: String(status.crossingKeys), reached: status.crossingKeys === 0 },
    {
      name: 'verified',
      value: `${Math.floor(status.verifiedShare * 100)} %`,
      reached: status.verifiedShare === 1,
    },
    ofAll('isolated users', status.isolatedServices),
    ofAll('deployed on their own', status.independentServices),
  ]
}

/** `reverse, 3.2 MB, nobody follows` */
export function lagText(lag: LogLag | null): string {
  if (lag === null) return '-'
  const { direction, bytes, followed } = lag
  const size = bytes === null ? 'some files' : bytes < 10_000 ? `${bytes} B` : `${(bytes / 1_048_576).toFixed(1)} MB`
  return `${direction}, ${size}${followed === false ? ', nobody follows' : ''}`
}
