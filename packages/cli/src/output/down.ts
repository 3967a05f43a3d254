import type { Page } from './page.ts'

export interface DownData {
  readonly servers: readonly {
    readonly version: number
    /** Where it listened; null when that is not known. */
    readonly port: number | null
    readonly result: 'stopped' | 'not running'
  }[]
  readonly destroyed: boolean
}

export function printDown({ servers, destroyed }: DownData, page: Page): void {
  if (servers.length === 0) page.line('there is no embedded server in this project')
  for (const { version, port, result } of servers) {
    page.line(`imhotep down: ${port === null ? '' : `127.0.0.1:${port}, `}PostgreSQL ${version}: ${result}`)
  }
  if (destroyed) page.line('all that it kept in this project was removed')
  else if (servers.length > 0) page.line(`its data is kept; start it again with: ${page.command('up')}`)
}
