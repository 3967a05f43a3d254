// Wrappers of the operations of schema/fhir.
export {}
