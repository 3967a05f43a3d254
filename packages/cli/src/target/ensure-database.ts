import { connect } from '@imhotep/postgres'

/** Creates the database unless the server has it; two calls at once make one. Answers whether it was created. */
export async function ensureDatabase(serverUrl: string, name: string): Promise<boolean> {
  const server = connect(serverUrl, { applicationName: 'imhotep', max: 1 })
  try {
    if (await databaseExists(name)) return false
    try {
      await server.query(`create database "${name.replaceAll('"', '""')}"`)
      return true
    } catch (error) {
      if (await databaseExists(name)) return false // another process was faster
      throw error
    }
  } finally {
    await server.close()
  }

  async function databaseExists(database: string): Promise<boolean> {
    return (await server.query('select from pg_catalog.pg_database where datname = $1', [database])).length > 0
  }
}
