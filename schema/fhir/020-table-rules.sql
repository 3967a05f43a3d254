-- What the tables' checks and triggers ask.

create function fhir.is_r4_resource_type(p_type text) returns boolean
  language sql
  immutable
  parallel safe
return p_type = any (array[
  'Account', 'ActivityDefinition', 'AdverseEvent', 'AllergyIntolerance', 'Appointment', 'AppointmentResponse',
  'AuditEvent', 'Basic', 'Binary', 'BiologicallyDerivedProduct', 'BodyStructure', 'Bundle', 'CapabilityStatement',
  'CarePlan', 'CareTeam', 'CatalogEntry', 'ChargeItem', 'ChargeItemDefinition', 'Claim', 'ClaimResponse',
  'ClinicalImpression', 'CodeSystem', 'Communication', 'CommunicationRequest', 'CompartmentDefinition', 'Composition',
  'ConceptMap', 'Condition', 'Consent', 'Contract', 'Coverage', 'CoverageEligibilityRequest',
  'CoverageEligibilityResponse', 'DetectedIssue', 'Device', 'DeviceDefinition', 'DeviceMetric', 'DeviceRequest',
  'DeviceUseStatement', 'DiagnosticReport', 'DocumentManifest', 'DocumentReference', 'EffectEvidenceSynthesis',
  'Encounter', 'Endpoint', 'EnrollmentRequest', 'EnrollmentResponse', 'EpisodeOfCare', 'EventDefinition', 'Evidence',
  'EvidenceVariable', 'ExampleScenario', 'ExplanationOfBenefit', 'FamilyMemberHistory', 'Flag', 'Goal',
  'GraphDefinition', 'Group', 'GuidanceResponse', 'HealthcareService', 'ImagingStudy', 'Immunization',
  'ImmunizationEvaluation', 'ImmunizationRecommendation', 'ImplementationGuide', 'InsurancePlan', 'Invoice', 'Library',
  'Linkage', 'List', 'Location', 'Measure', 'MeasureReport', 'Media', 'Medication', 'MedicationAdministration',
  'MedicationDispense', 'MedicationKnowledge', 'MedicationRequest', 'MedicationStatement', 'MedicinalProduct',
  'MedicinalProductAuthorization', 'MedicinalProductContraindication', 'MedicinalProductIndication',
  'MedicinalProductIngredient', 'MedicinalProductInteraction', 'MedicinalProductManufactured',
  'MedicinalProductPackaged', 'MedicinalProductPharmaceutical', 'MedicinalProductUndesirableEffect',
  'MessageDefinition', 'MessageHeader', 'MolecularSequence', 'NamingSystem', 'NutritionOrder', 'Observation',
  'ObservationDefinition', 'OperationDefinition', 'OperationOutcome', 'Organization', 'OrganizationAffiliation',
  'Parameters', 'Patient', 'PaymentNotice', 'PaymentReconciliation', 'Person', 'PlanDefinition', 'Practitioner',
  'PractitionerRole', 'Procedure', 'Provenance', 'Questionnaire', 'QuestionnaireResponse', 'RelatedPerson',
  'RequestGroup', 'ResearchDefinition', 'ResearchElementDefinition', 'ResearchStudy', 'ResearchSubject',
  'RiskAssessment', 'RiskEvidenceSynthesis', 'Schedule', 'SearchParameter', 'ServiceRequest', 'Slot', 'Specimen',
  'SpecimenDefinition', 'StructureDefinition', 'StructureMap', 'Subscription', 'Substance', 'SubstanceNucleicAcid',
  'SubstancePolymer', 'SubstanceProtein', 'SubstanceReferenceInformation', 'SubstanceSourceMaterial',
  'SubstanceSpecification', 'SupplyDelivery', 'SupplyRequest', 'Task', 'TerminologyCapabilities', 'TestReport',
  'TestScript', 'ValueSet', 'VerificationResult', 'VisionPrescription'
]);

comment on function fhir.is_r4_resource_type(text) is 'about=True for the name of a resource of FHIR R4 (4.0.1).';

create function fhir.check_concept_code() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_url text;
  v_valid boolean;
begin
  select s.url into v_url from fhir.code_systems s where s.id = new.code_system_id;
  v_valid := case v_url
    when 'http://snomed.info/sct' then core.valid_sctid(new.code)
    when 'http://loinc.org' then new.code ~ '^(LP|LA|LL|LG)' or core.valid_loinc(new.code)
    else true
  end;
  if not v_valid then
    raise exception 'code "%" fails the check digit of %', new.code, v_url
      using
        errcode = '23514', constraint = 'concepts_check_digit', schema = 'fhir', table = 'concepts',
        hint = 'load the code as the publisher wrote it; spreadsheets round long numbers';
  end if;
  return new;
end
$$;

comment on function fhir.check_concept_code() is 'about=Before insert or update of a concept: SNOMED CT and LOINC codes pass their check digit (23514); LOINC parts, answers and groups (LP, LA, LL, LG) have their own form.';

create function fhir.check_draft_members() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_value_set_id uuid := case tg_op when 'DELETE' then old.value_set_id else new.value_set_id end;
  v_status text;
begin
  select v.status into v_status from fhir.value_sets v where v.id = v_value_set_id;
  if v_status in ('active', 'retired') then
    raise exception 'value set % is %, its members stay', v_value_set_id, v_status
      using errcode = 'IM006', hint = 'save a new version with fhir.save_value_set and activate that';
  end if;
  return case tg_op when 'DELETE' then old else new end;
end
$$;

comment on function fhir.check_draft_members() is 'about=Before insert, update or delete of a member: only a draft changes (IM006), so that what an active version says stays what was checked against it.';
