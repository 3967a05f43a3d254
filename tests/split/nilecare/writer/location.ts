/** Where the tables of a service live now. */
export interface Location {
  readonly kind: 'mariadb' | 'postgres'
  /** `mysql://` or `postgres://`. */
  readonly url: string
  /** On PostgreSQL, default public. */
  readonly schema?: string
}

export function sameDatabase(a: Location, b: Location): boolean {
  return a.kind === b.kind && a.url === b.url
}
