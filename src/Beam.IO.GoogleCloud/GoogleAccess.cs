using Google.Apis.Auth.OAuth2;

namespace Beam.IO.GoogleCloud;

/// <summary>Who calls Google's services are made as.</summary>
internal interface IAccessTokens
{
    /// <summary>A token that is good for a call right now.</summary>
    string Token();
}

/// <summary>Application Default Credentials. Tokens are kept and renewed by Google's library.</summary>
internal sealed class DefaultCredentials : IAccessTokens
{
    private const string Scope = "https://www.googleapis.com/auth/cloud-platform";

    private readonly Lazy<ITokenAccess> _credential = new(Find);

    public string Token()
    {
        try
        {
            return Task.Run(() => _credential.Value.GetAccessTokenForRequestAsync()).GetAwaiter().GetResult();
        }
        catch (Exception e) when (e is not BeamException)
        {
            throw new BeamException($"Google did not grant an access token: {e.Message}. Sign in with `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS to a key file that is valid.", e);
        }
    }

    private static ITokenAccess Find()
    {
        try
        {
            return Task.Run(() => GoogleCredential.GetApplicationDefaultAsync()).GetAwaiter().GetResult().CreateScoped(Scope);
        }
        catch (Exception e) when (e is InvalidOperationException or IOException)
        {
            throw new BeamException(
                "There are no Google credentials: sign in with `gcloud auth application-default login`, set GOOGLE_APPLICATION_CREDENTIALS to a key file, or run on a machine that has a service account.", e);
        }
    }
}
