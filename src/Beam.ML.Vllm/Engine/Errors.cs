namespace Beam.ML.Vllm.Engine;

/// <summary>A request that cannot be served as it is: a prompt that is too long or empty, a token that does not exist, a wrong parameter. Others are not affected.</summary>
public sealed class InvalidRequestException : ArgumentException
{
    /// <summary>An error without a message of its own.</summary>
    public InvalidRequestException()
    {
    }

    /// <param name="message">What is wrong and what would be right.</param>
    public InvalidRequestException(string message) : base(message)
    {
    }

    /// <param name="message">What is wrong and what would be right.</param>
    /// <param name="innerException">What was found first.</param>
    public InvalidRequestException(string message, Exception innerException) : base(message, innerException)
    {
    }

    /// <summary>The field of the request that is wrong, under vLLM's name, such as <c>logprobs</c>; <c>prompt</c> for its tokens. Null where it is no single one.</summary>
    public string? Field { get; init; }
}

/// <summary>The engine failed at one request, by an error of its own and not the request's. Others are not affected, and the engine goes on.</summary>
public sealed class RequestFailedException : Exception
{
    /// <summary>An error without a message of its own.</summary>
    public RequestFailedException()
    {
    }

    /// <param name="message">Which request failed, and in what.</param>
    public RequestFailedException(string message) : base(message)
    {
    }

    /// <param name="message">Which request failed, and in what.</param>
    /// <param name="innerException">The error.</param>
    public RequestFailedException(string message, Exception innerException) : base(message, innerException)
    {
    }
}

/// <summary>The engine has stopped, by an error of its own or because it was disposed of, and serves no request any more.</summary>
public sealed class EngineDeadException : Exception
{
    /// <summary>An error without a message of its own.</summary>
    public EngineDeadException()
    {
    }

    /// <param name="message">Why the engine stopped.</param>
    public EngineDeadException(string message) : base(message)
    {
    }

    /// <param name="message">Why the engine stopped.</param>
    /// <param name="innerException">The error that stopped it.</param>
    public EngineDeadException(string message, Exception innerException) : base(message, innerException)
    {
    }
}
