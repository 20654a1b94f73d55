import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.support.DefaultProfileValidationSupport;
import ca.uhn.fhir.context.support.IValidationSupport;
import ca.uhn.fhir.validation.FhirValidator;
import ca.uhn.fhir.validation.ResultSeverityEnum;
import ca.uhn.fhir.validation.SingleValidationMessage;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.hl7.fhir.common.hapi.validation.support.CommonCodeSystemsTerminologyService;
import org.hl7.fhir.common.hapi.validation.support.InMemoryTerminologyServerValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.SnapshotGeneratingValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.UnknownCodeSystemWarningValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.ValidationSupportChain;
import org.hl7.fhir.common.hapi.validation.validator.FhirInstanceValidator;

/** Reads lines "r4 PATH" or "r5 PATH"; answers each with one line {"errors": [...], "warnings": [...]}. Ends with its input. */
public class Validate {
  private static final Map<String, FhirValidator> validators = new HashMap<>();

  public static void main(String[] arguments) throws Exception {
    PrintStream answers = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    System.setOut(System.err); // libraries may print; only answers go to standard output
    ObjectMapper json = new ObjectMapper();
    BufferedReader requests = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line; (line = requests.readLine()) != null; ) {
      List<String> errors = new ArrayList<>();
      List<String> warnings = new ArrayList<>();
      try {
        String version = line.substring(0, 2);
        String text = Files.readString(Path.of(line.substring(3)));
        for (SingleValidationMessage m : validators.computeIfAbsent(version, Validate::validator).validateWithResult(text).getMessages()) {
          String said = m.getLocationString() + ": " + m.getMessage();
          if (m.getSeverity() == ResultSeverityEnum.ERROR || m.getSeverity() == ResultSeverityEnum.FATAL) errors.add(said);
          else if (m.getSeverity() == ResultSeverityEnum.WARNING) warnings.add(said);
        }
      } catch (Exception e) {
        errors.add("not validated: " + e);
      }
      answers.println(json.writeValueAsString(Map.of("errors", errors, "warnings", warnings)));
    }
  }

  private static FhirValidator validator(String version) {
    FhirContext context = version.equals("r5") ? FhirContext.forR5() : FhirContext.forR4();
    UnknownCodeSystemWarningValidationSupport unknown = new UnknownCodeSystemWarningValidationSupport(context);
    unknown.setNonExistentCodeSystemSeverity(IValidationSupport.IssueSeverity.WARNING);
    ValidationSupportChain chain = new ValidationSupportChain(
        new DefaultProfileValidationSupport(context),
        new CommonCodeSystemsTerminologyService(context),
        new InMemoryTerminologyServerValidationSupport(context),
        new SnapshotGeneratingValidationSupport(context),
        unknown);
    return context.newValidator().registerValidatorModule(new FhirInstanceValidator(chain));
  }
}
