/** Who keeps others waiting, as pg_stat_activity knows it. */
export interface Holder {
  readonly pid: number
  readonly application: string | null
  readonly since: Date | null
}

/** `pid 42, 'psql', since 2026-01-01T00:00:00.000Z` */
export function holderText({ pid, application, since }: Holder): string {
  return `pid ${pid}, '${application ?? ''}'${since ? `, since ${since.toISOString()}` : ''}`
}
