/** Which database a command works on, as every command says first. Never a password. */
export interface Target {
  /** `127.0.0.1:5432` */
  readonly host: string
  readonly database: string
  /** The marker of the database (`development`, `production`, ...); null when it carries none. */
  readonly environment: string | null
}

/** `127.0.0.1:5432, database imhotep, environment development` */
export function targetText({ host, database, environment }: Target): string {
  return `${host}, database ${database}, environment ${environment ?? 'not set'}`
}
