import type { Session } from '../session.ts'
import { quoteName, quoteText } from '../sql-text.ts'
import { UserHasRightsError } from './errors.ts'

export interface ServiceUser {
  readonly name: string
  readonly host: string
  readonly password: string
}

export const accountOf = ({ name, host }: Pick<ServiceUser, 'name' | 'host'>) => `${quoteText(name)}@${quoteText(host)}`

/** Whether it exists. @throws UserHasRightsError when it does, with rights on anything but the database */
export async function findUser(session: Session, database: string, user: ServiceUser): Promise<boolean> {
  const exists = await session.value(
    `select 1 from mysql.user where user = ${quoteText(user.name)} and host = ${quoteText(user.host)}`,
  )
  if (exists === null) return false
  const grants = await session.rows(`show grants for ${accountOf(user)}`)
  const isOurs = (grant: string) =>
    grant.startsWith('GRANT USAGE ON *.* TO ') || grant.includes(` ON ${grantable(database)}.* TO `)
  if (!grants.every(([grant]) => isOurs(grant ?? ''))) throw new UserHasRightsError(user.name)
  return true
}

/** Rights on the rows of one database, and on nothing else. */
export async function grantOnly(session: Session, database: string, user: ServiceUser): Promise<void> {
  const account = accountOf(user)
  await session.run(`create user if not exists ${account} identified by ${quoteText(user.password)}`)
  await session.run(
    `grant select, insert, update, delete, execute, create temporary tables on ${grantable(database)}.* to ${account}`,
  )
}

/** In a grant the name of a database is a pattern. */
function grantable(database: string): string {
  return quoteName(database.replace(/[_%\\]/g, String.raw`\$&`))
}
