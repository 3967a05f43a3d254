import { join } from 'node:path'
import { readModules, type Catalog, type Module } from '@imhotep/engine'
import { entityDiagram, schemaPage } from '@imhotep/generate'

/** docs/reference/schema: a page and a diagram for each module, from the schema as a server installed it. */
export async function schemaPages(root: string, catalog: Catalog): Promise<Record<string, string>> {
  const modules = await readModules(join(root, 'schema'))
  const pages: Record<string, string> = { 'docs/reference/schema/README.md': overview(modules, catalog) }
  for (const { schema } of modules) {
    pages[`docs/reference/schema/${schema}.md`] = schemaPage(catalog, schema, `${schema}.svg`)
    pages[`docs/reference/schema/${schema}.svg`] = entityDiagram(catalog, schema)
  }
  return pages
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
