import { mkdtemp, chmod, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { applyMigrations, readCatalog, readModules, type Catalog, type Module } from '@imhotep/engine'
import { entityDiagram, schemaPage } from '@imhotep/generate'
import { connect, startEmbedded } from '@imhotep/postgres'

/** docs/reference/schema: a page and a diagram for each module, from the schema as a server installed it. */
export async function schemaPages(root: string): Promise<Record<string, string>> {
  const modules = await readModules(join(root, 'schema'))
  const catalog = await installedCatalog(root)
  const pages: Record<string, string> = { 'docs/reference/schema/README.md': overview(modules, catalog) }
  for (const { schema } of modules) {
    pages[`docs/reference/schema/${schema}.md`] = schemaPage(catalog, schema, `${schema}.svg`)
    pages[`docs/reference/schema/${schema}.svg`] = entityDiagram(catalog, schema)
  }
  return pages
}

async function installedCatalog(root: string): Promise<Catalog> {
  const directory = await mkdtemp(join(tmpdir(), 'imhotep-docs-'))
  await chmod(directory, 0o755) // the server's user must be able to enter
  const server = await startEmbedded({ directory: join(directory, 'postgres'), settings: { fsync: 'off' } })
  try {
    await applyMigrations(server.url(), { directory: join(root, 'db/migration') })
    const db = connect(server.url())
    try {
      return await readCatalog(db)
    } finally {
      await db.close()
    }
  } finally {
    await server.stop('immediate')
    await rm(directory, { recursive: true, force: true })
  }
}

function overview(modules: readonly Module[], catalog: Catalog): string {
  const tables = [...catalog.tables.values()].filter(({ partitionOf }) => partitionOf === null)
  const lines = modules.map(({ schema, service, purpose }) => {
    const count = tables.filter((table) => table.schema === schema).length
    return `| [${schema}](${schema}.md) | ${service} | ${count} | ${purpose} |`
  })
  return `# Schema

<!-- Written by npm run docs from the installed schema; do not edit. -->

${modules.length} schemas, ${modules.reduce((sum, { schema }) => sum + tables.filter((table) => table.schema === schema).length, 0)} tables.

| schema | service | tables | purpose |
| --- | --- | ---: | --- |
${lines.join('\n')}
`
}
