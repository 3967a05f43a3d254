import { readdir, readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { createConnection } from 'mysql2/promise'

/** The folder with `nilecare.yaml`, the owner map. */
export const nilecareFolder = fileURLToPath(new URL('./', import.meta.url))

/** Makes the 87 tables of NileCare in an empty MariaDB database, and with `code` its views, routines, triggers and events. */
export async function installNilecare(url: string, options: { readonly code?: boolean } = {}): Promise<void> {
  const connection = await createConnection({ uri: url, charset: 'utf8mb4' })
  try {
    await connection.query('set foreign_key_checks = 0')
    for (const statement of await statementsOf('tables', ';')) await connection.query(statement)
    await connection.query('set foreign_key_checks = 1')
    if (options.code ?? true) {
      for (const statement of await statementsOf('code', '//')) await connection.query(statement)
    }
  } finally {
    await connection.end()
  }
}

/** Statements end with the delimiter at the end of a line, as the client `mariadb` reads them. */
async function statementsOf(folder: 'tables' | 'code', delimiter: string): Promise<string[]> {
  const found: string[] = []
  const files = (await readdir(`${nilecareFolder}${folder}`)).filter((file) => file.endsWith('.sql'))
  for (const file of files.toSorted()) {
    const text = await readFile(`${nilecareFolder}${folder}/${file}`, 'utf8')
    const pieces = text.replace(/^delimiter .*$/gm, '').split(new RegExp(`${delimiter}$`, 'm'))
    found.push(...pieces.map((piece) => piece.trim()).filter((piece) => piece !== ''))
  }
  return found
}
