import ca.uhn.hl7v2.DefaultHapiContext;
import ca.uhn.hl7v2.HL7Exception;
import ca.uhn.hl7v2.HapiContext;
import ca.uhn.hl7v2.app.HL7Service;
import ca.uhn.hl7v2.model.AbstractGroup;
import ca.uhn.hl7v2.model.Group;
import ca.uhn.hl7v2.model.Message;
import ca.uhn.hl7v2.model.Segment;
import ca.uhn.hl7v2.model.Structure;
import ca.uhn.hl7v2.model.Type;
import ca.uhn.hl7v2.protocol.ReceivingApplication;
import ca.uhn.hl7v2.util.idgenerator.InMemoryIDGenerator;
import ca.uhn.hl7v2.validation.impl.ValidationContextFactory;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * `Hl7`: reads paths of messages, one a line, and answers each with one line: OK, or what is wrong with it. The parser
 * checks data types by the default rules; then every segment and field that the structure of its version requires must
 * be there, and no other. `Hl7 serve PORT`: answers every message AA and keeps nothing.
 */
public class Hl7 {
  public static void main(String[] arguments) throws Exception {
    PrintStream answers = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    HapiContext context = new DefaultHapiContext();
    // The other one writes a file where it stands.
    context.getParserConfiguration().setIdGenerator(new InMemoryIDGenerator());
    if (arguments.length > 1) {
      serve(context, Integer.parseInt(arguments[1]));
      answers.println("listening");
      return;
    }
    context.setValidationContext(ValidationContextFactory.defaultValidation());
    BufferedReader requests = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line; (line = requests.readLine()) != null; ) {
      List<String> wrong = new ArrayList<>();
      try {
        visit(context.getPipeParser().parse(Files.readString(Path.of(line))), wrong);
      } catch (Exception e) {
        wrong.add(String.valueOf(e.getMessage()));
      }
      answers.println(wrong.isEmpty() ? "OK" : String.join("; ", wrong).replaceAll("[\r\n]+", " "));
    }
    context.close();
  }

  private static void visit(Group group, List<String> wrong) throws HL7Exception {
    for (String name : group.getNames()) {
      Structure[] all = group.getAll(name);
      boolean empty = true;
      for (Structure one : all) empty &= one.isEmpty();
      if (group.isRequired(name) && (all.length == 0 || empty)) {
        wrong.add("no " + name);
        continue;
      }
      if (all.length > 1 && !group.isRepeating(name)) wrong.add(name + " repeats");
      for (Structure one : all) {
        if (one.isEmpty()) continue;
        if (one instanceof Group) visit((Group) one, wrong);
        else look((Segment) one, wrong);
      }
    }
    for (String extra : ((AbstractGroup) group).getNonStandardNames()) wrong.add("unexpected " + extra);
  }

  private static void look(Segment segment, List<String> wrong) throws HL7Exception {
    for (int i = 1; i <= segment.numFields(); i++) {
      Type[] values = segment.getField(i);
      String text = values.length == 0 ? "" : values[0].encode();
      if (segment.isRequired(i) && text.isEmpty()) wrong.add("no " + segment.getName() + "-" + i);
    }
  }

  private static void serve(HapiContext context, int port) throws Exception {
    context.setValidationContext(ValidationContextFactory.noValidation());
    HL7Service server = context.newServer(port, false);
    server.registerApplication("*", "*", new ReceivingApplication<Message>() {
      @Override
      public Message processMessage(Message message, Map<String, Object> metadata) throws HL7Exception {
        try {
          return message.generateACK();
        } catch (java.io.IOException e) {
          throw new HL7Exception(e);
        }
      }

      @Override
      public boolean canProcess(Message message) {
        return true;
      }
    });
    server.startAndWait();
  }
}
