using System.Text.Json;
using Beam.ML.Vllm.Chat;
using Beam.ML.Vllm.Engine;
using Microsoft.AspNetCore.Http;

namespace Beam.ML.Vllm.Server.Hosting;

/// <summary>An answer that is an error: a status, and what OpenAI's <c>error</c> object says.</summary>
internal sealed class ApiException(int status, string type, string message, string? parameter = null, Exception? cause = null) : Exception(message, cause)
{
    public int Status => status;

    public string Type => type;

    /// <summary>The field of the request that is wrong.</summary>
    public string? Parameter => parameter;

    /// <summary>Seconds after which the request may be tried again.</summary>
    public int? RetryAfter { get; private init; }

    public static ApiException Invalid(string message, string? parameter = null, Exception? cause = null) =>
        new(StatusCodes.Status400BadRequest, "BadRequestError", message, parameter, cause);

    public static ApiException NotFound(string message, string? parameter = null) => new(StatusCodes.Status404NotFound, "NotFoundError", message, parameter);

    public static ApiException Unauthorized() => new(StatusCodes.Status401Unauthorized, "AuthenticationError",
        "The request carries no valid API key; send one as 'Authorization: Bearer <key>'.");

    public static ApiException Overloaded(string message) =>
        new(StatusCodes.Status503ServiceUnavailable, "ServiceUnavailableError", message) { RetryAfter = 1 };

    public static ApiException Stopping() => new(StatusCodes.Status503ServiceUnavailable, "ServiceUnavailableError", "The server has stopped before the request's end.");

    /// <summary>What a failure means to a client; null for one that is the server's own.</summary>
    public static ApiException? From(Exception exception) => exception switch
    {
        ApiException api => api,
        InvalidRequestException request => Invalid(request.Message, request.Field, request),
        ChatTemplateException => Invalid(exception.Message, cause: exception),

        // The server reads no JSON but what it was sent.
        JsonException => Invalid($"The request has JSON that cannot be read: {exception.Message}", cause: exception),
        BadHttpRequestException http => new ApiException(http.StatusCode, http.StatusCode == StatusCodes.Status413PayloadTooLarge ? "RequestTooLargeError" : "BadRequestError", http.Message, cause: http),
        EngineDeadException => new ApiException(StatusCodes.Status503ServiceUnavailable, "ServiceUnavailableError", exception.Message, cause: exception),
        RequestFailedException => new ApiException(StatusCodes.Status500InternalServerError, "InternalServerError", exception.Message, cause: exception),
        _ => null,
    };
}
