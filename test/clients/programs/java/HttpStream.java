import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;

class HttpStream {
  static final HttpClient client = HttpClient.newHttpClient();
  static String last = "";

  /** One stream to its end; whether there may be another. */
  static boolean listen() throws IOException, InterruptedException {
    var url = "http://localhost:3000/ws/session/lecture-1/student/?offset=" + last;
    var request = HttpRequest.newBuilder(URI.create(url)).header("Accept", "text/event-stream").build();
    var response = client.send(request, BodyHandlers.ofLines());
    if (response.statusCode() == 204) return false; // the session has ended
    if (response.statusCode() != 200) throw new IOException("answered " + response.statusCode());
    try (var lines = response.body()) {
      for (var line : (Iterable<String>) lines::iterator) {
        if (line.startsWith("id: ")) last = line.substring("id: ".length());
        if (line.startsWith("data: ")) System.out.println(last + " " + line.substring("data: ".length()));
      }
    }
    return true;
  }

  public static void main(String[] arguments) throws InterruptedException {
    for (var mayListen = true; mayListen; ) {
      try {
        mayListen = listen();
      } catch (IOException | UncheckedIOException error) {
        System.out.println(error.getMessage());
      }
      if (mayListen) Thread.sleep(500 + (long) (1000 * Math.random()));
    }
    System.out.println("stays away: 204");
  }
}
