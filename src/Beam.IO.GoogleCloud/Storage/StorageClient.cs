using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using Polly;
using Polly.Retry;

namespace Beam.IO.GoogleCloud.Storage;

/// <summary>The calls of Cloud Storage's JSON API that a file system needs. Calls that may be repeated are, with growing delays.</summary>
/// <param name="http">Carries the calls; it must not follow redirects or decompress.</param>
/// <param name="endpoint">Where the service is, such as <c>https://storage.googleapis.com/</c>.</param>
/// <param name="tokens">Who we are; null for nobody.</param>
/// <param name="firstDelay">The delay before the first repetition; each next one is about twice as long.</param>
internal sealed class StorageClient(HttpClient http, Uri endpoint, IAccessTokens? tokens, TimeSpan firstDelay)
{
    public static Uri DefaultEndpoint { get; } = new("https://storage.googleapis.com/");

    private readonly ResiliencePipeline _retries = new ResiliencePipelineBuilder()
        .AddRetry(new RetryStrategyOptions
        {
            MaxRetryAttempts = 6,
            BackoffType = DelayBackoffType.Exponential,
            UseJitter = true,
            Delay = firstDelay,
            MaxDelay = TimeSpan.FromSeconds(32),
            ShouldHandle = new PredicateBuilder().Handle<Exception>(IsTransient),
        })
        .Build();

    /// <summary>The service, or the emulator that <c>STORAGE_EMULATOR_HOST</c> names.</summary>
    public static StorageClient Create(Func<string, string?> environment)
    {
        var http = new HttpClient(new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            AutomaticDecompression = DecompressionMethods.None,
            PooledConnectionLifetime = TimeSpan.FromMinutes(5),
        });
        http.Timeout = TimeSpan.FromMinutes(5);
        var delay = TimeSpan.FromSeconds(0.5);
        if (environment("STORAGE_EMULATOR_HOST") is not { Length: > 0 } host) return new StorageClient(http, DefaultEndpoint, new DefaultCredentials(), delay);
        var text = host.Contains("://", StringComparison.Ordinal) ? host : $"http://{host}";
        return Uri.TryCreate(text.TrimEnd('/') + "/", UriKind.Absolute, out var emulator)
            ? new StorageClient(http, emulator, null, delay)
            : throw new BeamException($"STORAGE_EMULATOR_HOST is '{host}', which is no address; give host:port.");
    }

    public static bool IsTransient(Exception error) => error switch
    {
        StorageException e => e.IsTransient,
        FileNotFoundException or DirectoryNotFoundException => false,
        IOException or TimeoutException => true,
        _ => false,
    };

    /// <summary>Runs something that may be repeated as a whole.</summary>
    public T Retry<T>(Func<T> action) => _retries.Execute(action);

    /// <summary>The objects whose names begin with a prefix, in the order of their names.</summary>
    public IEnumerable<StorageObject> List(string bucket, string prefix)
    {
        string? page = null;
        do
        {
            var address = $"{Objects(bucket)}?prefix={Escape(prefix)}&fields=nextPageToken,items(name,size,generation){(page is null ? "" : $"&pageToken={Escape(page)}")}";
            using var answer = Retry(() => Json(new(HttpMethod.Get, address), $"Cannot list gs://{bucket}/{prefix}*"));
            if (answer.RootElement.TryGetProperty("items", out var items))
            {
                foreach (var item in items.EnumerateArray()) yield return StorageObject.Read(item);
            }

            page = answer.RootElement.TryGetProperty("nextPageToken", out var next) ? next.GetString() : null;
        }
        while (page is not null);
    }

    /// <summary>What there is at a path; null if there is nothing.</summary>
    public StorageObject? Find(StoragePath path)
    {
        try
        {
            using var answer = Retry(() => Json(new(HttpMethod.Get, $"{Object(path)}?fields=name,size,generation"), $"Cannot look for '{path}'"));
            return StorageObject.Read(answer.RootElement);
        }
        catch (StorageException e) when (e.Status == HttpStatusCode.NotFound)
        {
            return null;
        }
    }

    /// <summary>The content from an offset on. Not repeated here: the stream that reads it knows how far it came.</summary>
    /// <param name="path">The object.</param>
    /// <param name="offset">The first byte, from 0.</param>
    /// <param name="generation">Which content; null for the latest.</param>
    public HttpResponseMessage Download(StoragePath path, long offset, long? generation)
    {
        var request = new HttpRequestMessage(HttpMethod.Get, $"{Object(path)}?alt=media{(generation is { } g ? $"&generation={g}" : "")}");
        // What is stored as gzip comes as it is stored: offsets and sizes are of that.
        request.Headers.AcceptEncoding.Add(new StringWithQualityHeaderValue("gzip"));
        if (offset > 0) request.Headers.Range = new RangeHeaderValue(offset, null);
        return Send(request, $"Cannot read '{path}'");
    }

    /// <summary>Writes a small object in one call.</summary>
    public void Upload(StoragePath path, ReadOnlyMemory<byte> content) => Retry(() =>
    {
        var request = new HttpRequestMessage(HttpMethod.Post, $"{Uploads(path.Bucket)}?uploadType=media&name={Escape(path.Name)}") { Content = Bytes(content) };
        Send(request, $"Cannot write '{path}'").Dispose();
        return true;
    });

    /// <summary>Begins an upload in chunks; returns where they go.</summary>
    public Uri StartUpload(StoragePath path) => Retry(() =>
    {
        var request = new HttpRequestMessage(HttpMethod.Post, $"{Uploads(path.Bucket)}?uploadType=resumable&name={Escape(path.Name)}") { Content = Bytes(default) };
        using var answer = Send(request, $"Cannot write '{path}'");
        var session = answer.Headers.Location ?? throw new StorageException(answer.StatusCode, $"Cannot write '{path}': Cloud Storage did not say where to.");
        return session.IsAbsoluteUri ? session : new Uri(endpoint, session);
    });

    /// <summary>Sends a chunk, or asks how far an upload came with an empty one. Not repeated here.</summary>
    /// <param name="session">Where it goes.</param>
    /// <param name="path">The object, for errors.</param>
    /// <param name="chunk">The bytes.</param>
    /// <param name="offset">Where they belong.</param>
    /// <param name="total">The length of the whole, when it is known: with it the upload is complete.</param>
    /// <returns>The bytes that the service has; null if the upload is complete.</returns>
    public long? UploadChunk(Uri session, StoragePath path, ReadOnlyMemory<byte> chunk, long offset, long? total)
    {
        var request = new HttpRequestMessage(HttpMethod.Put, session) { Content = Bytes(chunk) };
        var range = chunk.IsEmpty ? "*" : $"{offset}-{offset + chunk.Length - 1}";
        request.Content.Headers.TryAddWithoutValidation("Content-Range", $"bytes {range}/{(total is { } t ? t.ToString(System.Globalization.CultureInfo.InvariantCulture) : "*")}");
        using var answer = Send(request, $"Cannot write '{path}'", alsoFine: HttpStatusCode.PermanentRedirect);
        if (answer.IsSuccessStatusCode) return null;
        var stored = answer.Headers.TryGetValues("Range", out var ranges) ? ranges.First() : "";
        return stored.LastIndexOf('-') is > 0 and var dash && long.TryParse(stored.AsSpan(dash + 1), out var last) ? last + 1 : 0;
    }

    /// <summary>Copies within the service, however large, to another name; what has it is replaced.</summary>
    public void Copy(StoragePath source, StoragePath target)
    {
        string? token = null;
        do
        {
            var address = $"{Object(source)}/rewriteTo/b/{Escape(target.Bucket)}/o/{Escape(target.Name)}{(token is null ? "" : $"?rewriteToken={Escape(token)}")}";
            using var answer = Retry(() => Json(new(HttpMethod.Post, address) { Content = Bytes(default) }, $"Cannot copy '{source}' to '{target}'"));
            token = answer.RootElement.GetProperty("done").GetBoolean() ? null : answer.RootElement.GetProperty("rewriteToken").GetString();
        }
        while (token is not null);
    }

    /// <summary>Deletes an object, if it is there.</summary>
    public void Delete(StoragePath path)
    {
        try
        {
            Retry(() =>
            {
                Send(new(HttpMethod.Delete, Object(path)), $"Cannot delete '{path}'").Dispose();
                return true;
            });
        }
        catch (StorageException e) when (e.Status == HttpStatusCode.NotFound)
        {
        }
    }

    /// <summary>Whether objects may be created in a bucket.</summary>
    public bool MayCreate(string bucket)
    {
        const string Permission = "storage.objects.create";
        var request = $"storage/v1/b/{Escape(bucket)}/iam/testPermissions?permissions={Permission}";
        using var answer = Retry(() => Json(new(HttpMethod.Get, request), $"Cannot write to the bucket gs://{bucket}"));
        return answer.RootElement.TryGetProperty("permissions", out var granted) && granted.EnumerateArray().Any(p => p.GetString() == Permission);
    }

    private static string Escape(string text) => Uri.EscapeDataString(text);

    private static string Objects(string bucket) => $"storage/v1/b/{Escape(bucket)}/o";

    private static string Object(StoragePath path) => $"{Objects(path.Bucket)}/{Escape(path.Name)}";

    private static string Uploads(string bucket) => $"upload/storage/v1/b/{Escape(bucket)}/o";

    private static ReadOnlyMemoryContent Bytes(ReadOnlyMemory<byte> content) => new(content) { Headers = { ContentType = new("application/octet-stream") } };

    private JsonDocument Json(HttpRequestMessage request, string what)
    {
        using var answer = Send(request, what);
        try
        {
            using var body = answer.Content.ReadAsStream();
            return JsonDocument.Parse(body);
        }
        catch (JsonException e)
        {
            throw new IOException($"{what}: Cloud Storage's answer was cut off.", e);
        }
    }

    private HttpResponseMessage Send(HttpRequestMessage request, string what, HttpStatusCode? alsoFine = null)
    {
        using var _ = request;
        request.RequestUri = request.RequestUri is { IsAbsoluteUri: true } absolute ? absolute : new Uri(endpoint, request.RequestUri!);
        if (tokens is not null) request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", tokens.Token());
        var answer = Exchange(request, what);
        if (answer.IsSuccessStatusCode || answer.StatusCode == alsoFine) return answer;
        using (answer) throw StorageException.From(answer, what);
    }

    private HttpResponseMessage Exchange(HttpRequestMessage request, string what)
    {
        try
        {
            return http.Send(request, HttpCompletionOption.ResponseHeadersRead);
        }
        catch (HttpRequestException e) when (e.HttpRequestError is HttpRequestError.NameResolutionError or HttpRequestError.SecureConnectionError)
        {
            throw new BeamException($"{what}: {endpoint.Host} cannot be reached: {e.Message}", e);
        }
        catch (Exception e) when (e is HttpRequestException or TaskCanceledException)
        {
            throw new IOException($"{what}: {endpoint.Host} cannot be reached: {e.Message}", e);
        }
    }
}
