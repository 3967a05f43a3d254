import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { readModules, serviceTopology, type ServiceTopology } from '@imhotep/engine'
import { connect, type Connection, type Database } from '@imhotep/postgres'
import { emptyDatabase } from '../support/database.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))

export const modules = await readModules(`${root}schema`)
export const services = readdirSync(`${root}db/services`)
export const directoryOf = (service: string) => `${root}db/services/${service}`
export const scriptOf = (service: string) => readFileSync(`${directoryOf(service)}/V001__${service}_schema.sql`, 'utf8')

let topologies: Promise<ServiceTopology[]> | undefined

/** Read once: it takes some seconds. */
export async function topologyOf(service: string): Promise<ServiceTopology> {
  topologies ??= serviceTopology(modules)
  const found = (await topologies).find((topology) => topology.service === service)
  if (!found) throw new Error(`there is no service ${service}`)
  return found
}

export interface ServiceDatabase extends AsyncDisposable {
  readonly url: string
  readonly db: Database
}

/** A database with the committed script of a service, and nothing else. */
export async function serviceDatabase(service: string): Promise<ServiceDatabase> {
  const database = await emptyDatabase()
  const db = connect(database.url)
  const connection = await db.dedicated()
  await connection.script(scriptOf(service))
  await connection.release()
  return {
    url: database.url,
    db,
    async [Symbol.asyncDispose]() {
      await db.close()
      await database.drop()
    },
  }
}

/** Copies what belongs into a service's database out of a shared one: its tables, the kernel's, what it keeps of others. */
export async function moveRows(from: Database, to: Database, topology: ServiceTopology): Promise<number> {
  const kernel = Object.entries(topology.kernelTables).flatMap(([table, start]) => (start === 'copied' ? [table] : []))
  const source = await from.dedicated()
  const target = await to.dedicated()
  let rows = 0
  try {
    await target.query(`set session_replication_role = replica`)
    for (const table of [...kernel, ...topology.tables]) {
      const columns = await writableColumns(source, table)
      await target.copyFrom(
        `copy ${table} (${columns}) from stdin`,
        source.copyTo(`copy (select ${columns} from ${table}) to stdout`),
      )
      const [counted] = await target.query<{ n: number }>(`select count(*)::int as n from ${table}`)
      rows += counted?.n ?? 0
    }
    const columns = 'tenant_id, entity_type, entity_id, lifecycle, attrs, source_service, source_version'
    for (const { fill } of topology.keeps) {
      await target.copyFrom(`copy core.entity_refs (${columns}) from stdin`, source.copyTo(`copy (${fill}) to stdout`))
    }
    await target.query(`reset session_replication_role`)
  } finally {
    await source.release()
    await target.release()
  }
  return rows
}

async function writableColumns(connection: Connection, table: string): Promise<string> {
  const [row] = await connection.query<{ columns: string }>(
    `select string_agg(quote_ident(attname), ', ' order by attnum) as columns from pg_attribute
     where attrelid = $1::regclass and attnum > 0 and not attisdropped and attgenerated = ''`,
    [table],
  )
  return row?.columns ?? ''
}
