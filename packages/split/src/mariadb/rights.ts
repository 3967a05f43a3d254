import type { Session } from './session.ts'

/** What the user of a session may do, as `show grants` says it. */
export interface Rights {
  /** Whether a right that the pattern names was granted on the server, or on the database. */
  has(scope: 'server' | 'database', pattern: RegExp): boolean
}

export async function readRights(session: Session, database: string): Promise<Rights> {
  const grants = (await session.rows('show grants')).flatMap(([text]) => {
    const [, list = '', object = ''] = /^grant (.*?) on (\S+|`.*?`\.\S+) to /is.exec(text ?? '') ?? []
    return list === '' ? [] : [{ list, object: object.replaceAll('`', '').replaceAll('\\', '') }]
  })
  return {
    has: (scope, pattern) =>
      grants.some(
        ({ list, object }) =>
          (object === '*.*' || (scope === 'database' && object === `${database}.*`)) &&
          (/^all privileges/i.test(list) || pattern.test(list)),
      ),
  }
}
