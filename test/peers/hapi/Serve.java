import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.model.api.annotation.Description;
import ca.uhn.fhir.parser.StrictErrorHandler;
import ca.uhn.fhir.rest.annotation.ConditionalUrlParam;
import ca.uhn.fhir.rest.annotation.Create;
import ca.uhn.fhir.rest.annotation.IdParam;
import ca.uhn.fhir.rest.annotation.OptionalParam;
import ca.uhn.fhir.rest.annotation.Read;
import ca.uhn.fhir.rest.annotation.ResourceParam;
import ca.uhn.fhir.rest.annotation.Search;
import ca.uhn.fhir.rest.annotation.Transaction;
import ca.uhn.fhir.rest.annotation.TransactionParam;
import ca.uhn.fhir.rest.annotation.Update;
import ca.uhn.fhir.rest.api.MethodOutcome;
import ca.uhn.fhir.rest.param.ReferenceParam;
import ca.uhn.fhir.rest.param.TokenParam;
import ca.uhn.fhir.rest.server.IResourceProvider;
import ca.uhn.fhir.rest.server.RestfulServer;
import ca.uhn.fhir.rest.server.exceptions.InvalidRequestException;
import ca.uhn.fhir.rest.server.exceptions.PreconditionFailedException;
import ca.uhn.fhir.rest.server.exceptions.ResourceNotFoundException;
import ca.uhn.fhir.rest.server.exceptions.ResourceVersionConflictException;
import ca.uhn.fhir.util.FhirTerser;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Date;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.eclipse.jetty.ee10.servlet.ServletContextHandler;
import org.eclipse.jetty.ee10.servlet.ServletHolder;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.hl7.fhir.instance.model.api.IBase;
import org.hl7.fhir.instance.model.api.IBaseBundle;
import org.hl7.fhir.instance.model.api.IBaseCoding;
import org.hl7.fhir.instance.model.api.IBaseResource;
import org.hl7.fhir.instance.model.api.IIdType;
import org.hl7.fhir.instance.model.api.IPrimitiveType;

/**
 * HAPI's FHIR server with a store in memory: "Serve r4" or "Serve r5", and "single" behind it for a server without
 * transactions. Unknown fields are refused. Prints its address, and ends when its input ends.
 */
public class Serve {
  private static final String[] TYPES = {
    "Patient", "Device", "Endpoint", "ImagingStudy", "DocumentReference", "ImagingSelection", "Observation",
    "DiagnosticReport", "Provenance"
  };

  public static void main(String[] arguments) throws Exception {
    FhirContext context = arguments[0].equals("r5") ? FhirContext.forR5() : FhirContext.forR4();
    context.setParserErrorHandler(new StrictErrorHandler());
    Map<String, Store> stores = new LinkedHashMap<>();
    for (String type : TYPES)
      if (context.getResourceTypes().contains(type)) stores.put(type, new Store(context, type));
    RestfulServer servlet = new RestfulServer(context);
    servlet.setResourceProviders(new ArrayList<IResourceProvider>(stores.values()));
    if (arguments.length == 1) servlet.registerProvider(new Transactions(context, stores));
    Server server = new Server();
    ServerConnector connector = new ServerConnector(server);
    connector.setHost("127.0.0.1");
    server.addConnector(connector);
    ServletContextHandler handler = new ServletContextHandler();
    handler.addServlet(new ServletHolder(servlet), "/fhir/*");
    server.setHandler(handler);
    server.start();
    System.out.println("http://127.0.0.1:" + connector.getLocalPort() + "/fhir");
    while (System.in.read() >= 0) {} // until whoever started it is gone
    System.exit(0);
  }

  /** All resources of one type. */
  public static class Store implements IResourceProvider {
    private final FhirContext context;
    private final String type;
    private final Map<String, IBaseResource> byId = new LinkedHashMap<>();
    private int made = 0;

    Store(FhirContext context, String type) {
      this.context = context;
      this.type = type;
    }

    @Override
    public Class<? extends IBaseResource> getResourceType() {
      return context.getResourceDefinition(type).getImplementingClass();
    }

    @Read
    public synchronized IBaseResource read(@IdParam IIdType id) {
      IBaseResource found = byId.get(id.getIdPart());
      if (found == null) throw new ResourceNotFoundException(id);
      return found;
    }

    @Search
    public synchronized List<IBaseResource> search(
        @OptionalParam(name = "identifier") TokenParam identifier,
        @OptionalParam(name = "_tag") TokenParam tag,
        @OptionalParam(name = "target") ReferenceParam target) {
      return byId.values().stream()
          .filter(r -> identifier == null || hasIdentifier(r, identifier))
          .filter(r -> tag == null || hasTag(r, tag))
          .filter(r -> target == null || strings(r, "target.reference").contains(target.getValue()))
          .toList();
    }

    @Create
    public synchronized MethodOutcome create(@ResourceParam IBaseResource resource, @ConditionalUrlParam String unless) {
      if (unless != null) {
        List<IBaseResource> found = matching(unless);
        if (found.size() > 1) throw new PreconditionFailedException("several resources match " + type);
        if (found.size() == 1) return outcome(found.get(0), false);
      }
      return outcome(put(resource, Integer.toString(++made), 1), true);
    }

    @Update
    public synchronized MethodOutcome update(@IdParam IIdType id, @ResourceParam IBaseResource resource) {
      IBaseResource old = read(id);
      long version = old.getIdElement().getVersionIdPartAsLong();
      if (id.hasVersionIdPart() && id.getVersionIdPartAsLong() != version)
        throw new ResourceVersionConflictException("version " + id.getVersionIdPart() + " is not the current one");
      return outcome(put(resource, id.getIdPart(), version + 1), false);
    }

    /** Resources that a conditional URL ("Type?parameter=system|value") names. */
    synchronized List<IBaseResource> matching(String url) {
      String[] query = url.substring(url.indexOf('?') + 1).split("=", 2);
      String value = URLDecoder.decode(query[1], StandardCharsets.UTF_8);
      int bar = value.indexOf('|');
      TokenParam token = bar < 0 ? new TokenParam(value) : new TokenParam(value.substring(0, bar), value.substring(bar + 1));
      if (query[0].equals("identifier")) return search(token, null, null);
      if (query[0].equals("_tag")) return search(null, token, null);
      throw new InvalidRequestException("no search parameter " + query[0]);
    }

    IBaseResource put(IBaseResource resource, String id, long version) {
      resource.setId(type + "/" + id + "/_history/" + version);
      resource.getMeta().setVersionId(Long.toString(version));
      resource.getMeta().setLastUpdated(new Date());
      byId.put(id, resource);
      return resource;
    }

    private MethodOutcome outcome(IBaseResource resource, boolean created) {
      return new MethodOutcome(resource.getIdElement(), created).setResource(resource);
    }

    private boolean hasIdentifier(IBaseResource resource, TokenParam wanted) {
      return context.newTerser().getValues(resource, "identifier").stream()
          .anyMatch(i -> same(wanted, string(i, "system"), string(i, "value")));
    }

    private boolean hasTag(IBaseResource resource, TokenParam wanted) {
      for (IBaseCoding tag : resource.getMeta().getTag()) if (same(wanted, tag.getSystem(), tag.getCode())) return true;
      return false;
    }

    private static boolean same(TokenParam wanted, String system, String value) {
      return wanted.getValue().equals(value) && (wanted.getSystem() == null || wanted.getSystem().equals(system));
    }

    private String string(IBase of, String path) {
      return context.newTerser().getSinglePrimitiveValueOrNull(of, path);
    }

    private List<String> strings(IBaseResource of, String path) {
      return context.newTerser().getValues(of, path).stream().map(v -> ((IPrimitiveType<?>) v).getValueAsString()).toList();
    }
  }

  /** A transaction: every entry or none, links between entries resolved. */
  public static class Transactions {
    private final FhirContext context;
    private final Map<String, Store> stores;

    Transactions(FhirContext context, Map<String, Store> stores) {
      this.context = context;
      this.stores = stores;
    }

    private record Step(IBaseResource resource, IIdType id, long version, boolean write, String status) {}

    @Transaction
    @Description("creates, conditional creates and updates")
    public synchronized IBaseBundle transaction(@TransactionParam IBaseBundle bundle) {
      FhirTerser terser = context.newTerser();
      List<Step> steps = new ArrayList<>();
      Map<String, String> links = new HashMap<>();
      for (IBase entry : terser.getValues(bundle, "entry")) {
        Step step = step(terser, entry);
        steps.add(step);
        String fullUrl = terser.getSinglePrimitiveValueOrNull(entry, "fullUrl");
        if (fullUrl != null) links.put(fullUrl, step.id().toUnqualifiedVersionless().getValue());
      }
      IBaseBundle answer = (IBaseBundle) context.getResourceDefinition("Bundle").newInstance();
      terser.setElement(answer, "type", "transaction-response");
      for (Step step : steps) {
        if (step.write()) store(step.resource()).put(linked(step.resource(), links), step.id().getIdPart(), step.version());
        IBase entry = terser.addElement(answer, "entry");
        terser.setElement(entry, "response.status", step.status());
        terser.setElement(entry, "response.location", step.id().toUnqualifiedVersionless().getValue() + "/_history/" + step.version());
      }
      return answer;
    }

    /** What one entry will do; refuses before anything is written. */
    private Step step(FhirTerser terser, IBase entry) {
      IBaseResource resource = (IBaseResource) terser.getValues(entry, "resource").get(0);
      Store store = store(resource);
      String unless = terser.getSinglePrimitiveValueOrNull(entry, "request.ifNoneExist");
      if (terser.getSinglePrimitiveValueOrNull(entry, "request.method").equals("POST")) {
        List<IBaseResource> found = unless == null ? List.of() : store.matching(unless);
        if (found.size() > 1) throw new PreconditionFailedException("several resources match");
        if (found.size() == 1) return new Step(resource, found.get(0).getIdElement(), found.get(0).getIdElement().getVersionIdPartAsLong(), false, "200 OK");
        return new Step(resource, id(store.type + "/" + ++store.made), 1, true, "201 Created");
      }
      IIdType id = id(terser.getSinglePrimitiveValueOrNull(entry, "request.url"));
      long version = store.read(id).getIdElement().getVersionIdPartAsLong();
      String match = terser.getSinglePrimitiveValueOrNull(entry, "request.ifMatch");
      if (match != null && !match.equals("W/\"" + version + "\""))
        throw new ResourceVersionConflictException(match + " is not the current version of " + id.getValue());
      return new Step(resource, id, version + 1, true, "200 OK");
    }

    private Store store(IBaseResource resource) {
      return stores.get(context.getResourceType(resource));
    }

    private IIdType id(String value) {
      return context.getVersion().newIdType().setValue(value);
    }

    private IBaseResource linked(IBaseResource resource, Map<String, String> links) {
      String text = context.newJsonParser().encodeResourceToString(resource);
      for (Map.Entry<String, String> link : links.entrySet()) text = text.replace(link.getKey(), link.getValue());
      return context.newJsonParser().parseResource(text);
    }
  }
}
