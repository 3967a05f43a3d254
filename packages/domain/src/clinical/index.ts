// Wrappers of the operations of schema/clinical.
export {}
