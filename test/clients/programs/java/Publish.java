import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.UUID;

class Publish {
  public static void main(String[] arguments) throws IOException, InterruptedException {
    var event =
        """
        { "event": "important", "note": "Look at this again", "capture_url": null }
        """;
    var request =
        HttpRequest.newBuilder(URI.create("http://localhost:3000/sessions/lecture-1/events"))
            .header("Content-Type", "application/json")
            .header("Idempotency-Key", UUID.randomUUID().toString())
            .POST(BodyPublishers.ofString(event))
            .build();
    var response = HttpClient.newHttpClient().send(request, BodyHandlers.ofString());
    System.out.println(response.statusCode() + " " + response.body());
  }
}
