// Writes the pages of docs/reference that come from the code; with --check it writes nothing and fails when one is stale.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { commandsPage } from './docs/commands-page.ts'
import { coveragePage } from './docs/coverage-page.ts'
import { errorsPage } from './docs/errors-page.ts'
import { installedCatalog } from './docs/installed-catalog.ts'
import { lintPages } from './docs/lint-pages.ts'
import { schemaPages } from './docs/schema-pages.ts'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const isCheck = process.argv.includes('--check')
const catalog = await installedCatalog(root)
const pages: Record<string, string> = {
  'docs/reference/commands.md': commandsPage(),
  'docs/reference/errors.md': errorsPage(root),
  'docs/reference/coverage.md': coveragePage(root, catalog),
  ...lintPages(root),
  ...(await schemaPages(root, catalog)),
}

let stale = 0
for (const [file, text] of Object.entries(pages)) {
  const path = join(root, file)
  const isFresh = existsSync(path) && readFileSync(path, 'utf8') === text
  if (!isFresh && isCheck) {
    stale += 1
    console.error(`error: ${file} is stale: write it with npm run docs`)
  }
  if (!isFresh && !isCheck) {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text)
  }
}
console.log(`docs: ${Object.keys(pages).length} pages, ${isCheck ? `${stale} stale` : 'written'}`)
process.exitCode = stale === 0 ? 0 : 1
