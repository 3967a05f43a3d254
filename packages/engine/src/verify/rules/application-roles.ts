import { withGroups } from '../../catalog/with-groups.ts'
import { nameOf, type VerifyContext } from '../context.ts'
import type { Violation } from '../finding.ts'
import { defineRule } from '../rule.ts'

/** Predefined roles of PostgreSQL that see or change rows or others' statements, or leave the database, without a grant on the table. */
const powerful = [
  'pg_read_all_data',
  'pg_write_all_data',
  'pg_read_server_files',
  'pg_write_server_files',
  'pg_execute_server_program',
  'pg_maintain',
  'pg_database_owner',
  // the text of a statement holds what is looked for
  'pg_monitor',
  'pg_read_all_stats',
]

interface Held {
  readonly name: string
  /** The login behind it, where it is no application role itself. */
  readonly login: string | null
}

export const applicationRoles = defineRule<Held>({
  id: 'application-roles',
  family: 'privileges',
  severity: 'error',
  effect:
    'A role that owns a table, or that has BYPASSRLS or SUPERUSER, can step around every policy; one that makes roles ' +
    'or replicates can get there.',
  instead:
    'Applications log in as a role that owns nothing, is no superuser, has none of BYPASSRLS, CREATEROLE, CREATEDB and ' +
    'REPLICATION, and is in no such role. So does every login that is a member of an application role.',
  *subjects(context) {
    const { applicationLogins: logins } = context
    const seen = new Set(context.applicationRoles)
    for (const name of seen) yield { name, login: null }
    for (const login of logins) {
      for (const name of withGroups([login], context.catalog.roles)) {
        if (!seen.has(name)) yield { name, login }
        seen.add(name)
      }
    }
  },
  *check(held, context) {
    const { name, login } = held
    const role = context.catalog.roles.get(name)
    const at = { object: name, position: role?.position }
    const title = titleOf(held)
    if (role?.superuser) yield { ...at, message: `${title} is a superuser` }
    // A superuser may do everything: nothing else needs to be said of one.
    if (role?.superuser && login !== null) return
    if (role?.bypassRls) yield { ...at, message: `${title} has BYPASSRLS` }
    const powers = context.facts.roles.find((own) => own.name === name)
    for (const attribute of powers?.attributes ?? []) yield { ...at, message: `${title} has ${attribute}` }
    if (powerful.includes(name))
      yield { ...at, message: `${login === null ? 'an application role' : `login ${login}`} is a member of ${name}` }
    yield* ofDatabase(held, context)
    if (login === null) yield* owned(name, context)
  },
})

function titleOf({ name, login }: Held): string {
  if (login === null) return `application role ${name}`
  return login === name ? `login ${name}, in an application role,` : `${name}, a role of login ${login},`
}

function* ofDatabase(held: Held, { facts: { database } }: VerifyContext): Generator<Violation> {
  if (database === null) return
  const { name, owner, creators } = database
  if (owner === held.name)
    yield { object: name, message: `database ${name} is owned by ${titleOf(held).replace(/,$/, '')}` }
  if (creators.includes(held.name))
    yield { object: name, message: `${titleOf(held)} may create schemas in database ${name}` }
}

function* owned(name: string, { catalog }: VerifyContext): Generator<Violation> {
  const { schemas, tables, views, functions } = catalog
  for (const object of [...tables.values(), ...views.values(), ...functions.values()]) {
    if (object.owner !== name) continue
    const message = `${nameOf(object)} is owned by application role ${name}`
    yield { object: nameOf(object), message, position: object.position }
  }
  for (const schema of schemas.values()) {
    if (schema.owner !== name) continue
    const message = `schema ${schema.name} is owned by application role ${name}`
    yield { object: schema.name, message, position: schema.position }
  }
}
