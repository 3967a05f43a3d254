-- The ABHA of a merged patient belongs to the survivor, and comes back when the merge is undone.

create trigger patients_abha_follows_merge after update of merged_into_id on patient.patients
  for each row when (old.merged_into_id is distinct from new.merged_into_id)
  execute function abdm.follow_merge();
