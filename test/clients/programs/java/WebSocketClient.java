import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.WebSocket;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.regex.Pattern;

class WebSocketClient implements WebSocket.Listener {
  /** For brevity; a JSON library reads the whole event. */
  static final Pattern OFFSET = Pattern.compile("\"offset\":\"([^\"]*)\"");

  static final HttpClient client = HttpClient.newHttpClient();
  static String last = "";

  final StringBuilder text = new StringBuilder();
  final CompletableFuture<Integer> closed = new CompletableFuture<>();

  @Override
  public CompletionStage<?> onText(WebSocket socket, CharSequence part, boolean isLast) {
    text.append(part);
    if (isLast) {
      var offset = OFFSET.matcher(text);
      var hasOffset = offset.find(); // a pong has none
      if (hasOffset) last = offset.group(1);
      System.out.println((hasOffset ? last : "none") + " " + text);
      text.setLength(0);
    }
    socket.request(1);
    return null;
  }

  @Override
  public CompletionStage<?> onClose(WebSocket socket, int code, String reason) {
    if (code == 1000 || code == 1008) System.out.println("stays away: " + code + " " + reason);
    closed.complete(code);
    return null;
  }

  @Override
  public void onError(WebSocket socket, Throwable error) {
    closed.completeExceptionally(error);
  }

  public static void main(String[] arguments) throws InterruptedException {
    while (true) {
      try {
        var listener = new WebSocketClient();
        var url = "ws://localhost:3000/ws/session/lecture-1/student/?offset=" + last;
        var socket = client.newWebSocketBuilder().buildAsync(URI.create(url), listener).join();
        socket.sendText("{\"type\":\"ping\"}", true);
        var code = listener.closed.join();
        if (code == 1000 || code == 1008) return;
      } catch (CompletionException error) {
        System.out.println(error.getCause().getMessage());
      }
      Thread.sleep(500 + (long) (1000 * Math.random()));
    }
  }
}
