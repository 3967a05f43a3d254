export { schemaPage } from './docs/schema-page.ts'
export { entityDiagram } from './diagram/entity-diagram.ts'
