import { nameOf } from '../context.ts'
import { defineRule } from '../rule.ts'

/** Predefined roles of PostgreSQL that see or change rows, or leave the database, without a grant on the table. */
const powerful = [
  'pg_read_all_data',
  'pg_write_all_data',
  'pg_read_server_files',
  'pg_write_server_files',
  'pg_execute_server_program',
  'pg_maintain',
  'pg_database_owner',
]

export const applicationRoles = defineRule<string>({
  id: 'application-roles',
  family: 'privileges',
  severity: 'error',
  effect: 'A role that owns a table, or that has BYPASSRLS or SUPERUSER, can step around every policy.',
  instead:
    'Applications log in as a role that owns nothing, is no superuser, has no BYPASSRLS, and is in no such role.',
  subjects: (context) => context.applicationRoles,
  *check(name, context) {
    const role = context.catalog.roles.get(name)
    const at = { object: name, position: role?.position }
    if (role?.superuser) yield { ...at, message: `application role ${name} is a superuser` }
    if (role?.bypassRls) yield { ...at, message: `application role ${name} has BYPASSRLS` }
    if (powerful.includes(name)) yield { ...at, message: `an application role is a member of ${name}` }
    const { schemas, tables, views, functions } = context.catalog
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
  },
})
