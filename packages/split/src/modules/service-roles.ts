import { defaultTopologyOptions } from '@imhotep/engine'
import { describeTarget } from '@imhotep/postgres'
import { withSession } from '../postgres/session.ts'
import { identifier } from '../postgres/sql-text.ts'

/**
 * Lets the roles that log in for a service act as the group roles that its script gave the rights to. They may enter what
 * the groups may: this database.
 */
export async function joinServiceRoles(adminUrl: string, service: string): Promise<void> {
  const { database } = describeTarget(adminUrl)
  const [owner = '', application = ''] = defaultTopologyOptions.roles(service)
  await withSession(adminUrl, (session) =>
    session.script(
      `grant ${identifier(owner)} to ${identifier(`${database}_owner`)};
       grant ${identifier(application)} to ${identifier(`${database}_app`)}`,
    ),
  )
}
