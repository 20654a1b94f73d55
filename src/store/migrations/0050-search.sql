-- What searches match on: one row for all instances of a series that say the same, so that a search reads a few rows a
-- study however many instances it has. The database itself keeps them true, whoever adds or removes instances.
CREATE TABLE search_keys (
  study_uid TEXT NOT NULL,
  series_uid TEXT NOT NULL,
  sop_class TEXT NOT NULL,
  modality TEXT NOT NULL,
  patient_id TEXT NOT NULL,
  accession TEXT NOT NULL,
  study_date TEXT NOT NULL,
  name_alphabetic TEXT NOT NULL,
  name_ideographic TEXT NOT NULL,
  name_phonetic TEXT NOT NULL,
  instances INTEGER NOT NULL,
  PRIMARY KEY (study_uid, series_uid, sop_class, modality, patient_id, accession, study_date,
    name_alphabetic, name_ideographic, name_phonetic)
);
CREATE INDEX search_keys_series ON search_keys (series_uid);
CREATE INDEX search_keys_patient ON search_keys (patient_id);
CREATE INDEX search_keys_accession ON search_keys (accession);
CREATE INDEX search_keys_date ON search_keys (study_date);
-- The order of answers: newest study first.
CREATE INDEX studies_first ON studies (first_at DESC, study_uid);

INSERT INTO search_keys
SELECT study_uid, series_uid, sop_class, modality, patient_id, accession, study_date,
  name_alphabetic, name_ideographic, name_phonetic, COUNT(*)
FROM instances
GROUP BY study_uid, series_uid, sop_class, modality, patient_id, accession, study_date,
  name_alphabetic, name_ideographic, name_phonetic;

CREATE TRIGGER search_key_added AFTER INSERT ON instances BEGIN
  INSERT INTO search_keys VALUES (NEW.study_uid, NEW.series_uid, NEW.sop_class, NEW.modality, NEW.patient_id,
    NEW.accession, NEW.study_date, NEW.name_alphabetic, NEW.name_ideographic, NEW.name_phonetic, 1)
  ON CONFLICT DO UPDATE SET instances = instances + 1;
END;

CREATE TRIGGER search_key_removed AFTER DELETE ON instances BEGIN
  UPDATE search_keys SET instances = instances - 1
  WHERE study_uid = OLD.study_uid AND series_uid = OLD.series_uid AND sop_class = OLD.sop_class
    AND modality = OLD.modality AND patient_id = OLD.patient_id AND accession = OLD.accession
    AND study_date = OLD.study_date AND name_alphabetic = OLD.name_alphabetic
    AND name_ideographic = OLD.name_ideographic AND name_phonetic = OLD.name_phonetic;
  DELETE FROM search_keys WHERE study_uid = OLD.study_uid AND series_uid = OLD.series_uid AND instances = 0;
END;
