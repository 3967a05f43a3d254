import { existsSync, statSync } from 'node:fs'
import { readEnvFile } from '../../configure/env-file.ts'
import { readSeparation } from '../../status/read-separation.ts'
import { fail, judgeProblems, type GuideTest } from '../guide-test.ts'
import type { ServiceFacts } from '../service-facts.ts'

export const isolation: GuideTest = {
  name: 'isolation of users',
  asks: "can the service's user enter its own database only?",
  async run({ split, plan, service: { database } }) {
    const { ownUser, canEnter } = (await readSeparation(split, plan))(database)
    if (!ownUser) return fail(`${database}_app is not there, cannot log in, or is a superuser`)
    return judgeProblems(
      canEnter.map(
        (other) => `${database}_app can enter ${other}: revoke connect on database ${other} from it and from public`,
      ),
      `${database}_app is refused by ${plan.services.length - 1} other services and by the ledger`,
    )
  },
}

export const security: GuideTest = {
  name: 'security',
  asks: 'do its roles have no more rights than they need, passwords of their own, and a file that others cannot read?',
  async run(facts) {
    return judgeProblems(
      [...(await roleProblems(facts)), ...envProblems(facts)],
      'its roles may nothing on the server, PUBLIC cannot connect, the environment file is 0600',
    )
  },
}

async function roleProblems({ server, service: { database } }: ServiceFacts): Promise<string[]> {
  const roles = [`${database}_app`, `${database}_owner`]
  const rows = await server.query<{ problem: string }>(
    `select r.rolname || ' ' || p.problem as problem
       from pg_authid r
      cross join lateral (values
        (r.rolsuper, 'is a superuser'), (r.rolcreatedb, 'may create databases'), (r.rolcreaterole, 'may create roles'),
        (r.rolreplication, 'may replicate'), (r.rolbypassrls, 'bypasses row security'),
        (r.rolpassword is null, 'has no password'),
        (exists (select from pg_roles o where o.oid <> r.oid and not r.rolsuper and pg_has_role(r.oid, o.oid, 'member')
                    and (o.rolsuper or o.rolcreatedb or o.rolcreaterole or o.rolreplication or o.rolbypassrls or o.rolname ~ '^pg_')),
         'is a member of a role that may more')) p(is_so, problem)
      where r.rolname = any ($1) and p.is_so
      union all
     select 'everybody can connect to ' || datname from pg_database
      where datname = $2 and has_database_privilege('public', oid, 'connect')`,
    [roles, database],
  )
  return rows.map(({ problem }) => problem)
}

function envProblems({ split, plan, service: { name } }: ServiceFacts): string[] {
  const file = split.envFileOf(name)
  if (!existsSync(file)) return [`there is no environment file of ${name}: start the move again, it is written anew`]
  const others = plan.services
    .filter((other) => other.name !== name)
    .map((other) => passwordIn(split.envFileOf(other.name)))
  const password = passwordIn(file)
  return [
    ...((statSync(file).mode & 0o077) === 0 ? [] : [`${name}.env can be read by others: chmod 600`]),
    ...(password === undefined || password === '' ? [`${name}.env has no password`] : []),
    ...(password !== undefined && others.includes(password) ? ['another service has the same password'] : []),
  ]
}

function passwordIn(file: string): string | undefined {
  const url = readEnvFile(file)['SERVICE_DATABASE_URL']
  return url === undefined || !URL.canParse(url) ? undefined : new URL(url).password
}
