// Wrappers of the operations of schema/medication.
export {}
